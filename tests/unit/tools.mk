# SPDX-License-Identifier: GPL-2.0-or-later
# Unit tests of tools/: words and tables for people, and the netlink library.
TOOLS_FLAGS		:= -Itools -Itools/lib $(shell pkg-config --cflags libnl-genl-3.0 jansson)
TOOLS_LIBS		:= $(shell pkg-config --libs libnl-genl-3.0 jansson) -lpthread

UNIT			+= test_tools_format test_tools_table test_tools_hcnl test_tools_panel
test_tools_format_SRC	:= tools/format.c
test_tools_format_FLAGS	:= $(TOOLS_FLAGS)
test_tools_table_SRC	:= tools/format.c tools/table.c tools/top_draw.c tools/signature.c \
			   tools/lib/event.c tools/lib/sock.c tools/lib/attrs.c
test_tools_table_FLAGS	:= $(TOOLS_FLAGS)
test_tools_table_LIBS	:= $(TOOLS_LIBS)
test_tools_hcnl_SRC	:= tools/lib/attrs.c tools/lib/sock.c tools/lib/calls.c tools/lib/dump.c tools/lib/relay.c \
			   tools/lib/event.c
test_tools_hcnl_FLAGS	:= $(TOOLS_FLAGS)
test_tools_hcnl_LIBS	:= $(TOOLS_LIBS)
test_tools_panel_SRC	:= tools/panel/model.c tools/format.c
test_tools_panel_FLAGS	:= $(TOOLS_FLAGS)
test_tools_panel_LIBS	:= $(TOOLS_LIBS)
