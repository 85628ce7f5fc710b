# SPDX-License-Identifier: GPL-2.0-or-later
"""The benchmarks' frame, on the lab (tests/vm/labkit).

    main.py    options, the order of the figures, the end
    figure.py  what a figure is, what came out, medians
    ground.py  which guests and disks a figure needs
    field.py   the guests, their swap disks, one run of a program on one of them
    host.py    what needs no guest: daemons in network namespaces, commands
    rivals.py  how each swap disk comes to be: ours, NBD, NVMe/TCP, zram
    trace.py   where the time of a fault goes, from the module's tracepoints
    report.py  table, Markdown, build/bench.json

A figure is a file beside this folder with FIGURE, measure(field) and, when it needs
others than the usual guests, GROUND;
with HOST it is measure(host), on this machine.
"""
