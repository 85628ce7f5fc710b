# SPDX-License-Identifier: GPL-2.0-or-later
"""Black-box tests of `hyperchain simulate`: short forms, matching, random states, independent checks."""
