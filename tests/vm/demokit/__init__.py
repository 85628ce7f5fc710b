# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration: three machines run one program that fits on none of them."""
