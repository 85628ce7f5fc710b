// SPDX-License-Identifier: GPL-2.0-or-later
/* Pictures by rrd_graph: see stats.h. */
#include "stats.h"

#include <errno.h>
#include <rrd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WIDTH	"640"
#define HEIGHT	"220"

int hcs_graph(const char *name, const char *title, enum hcs_window window, time_t now,
	      uint8_t **ret_png, size_t *ret_len, char error[HCS_ERROR_LEN])
{
	char start[32], end[32], defs[HCS_VALUES][HCS_NAME_LEN + 48], path[HCS_NAME_LEN + 8];
	static const char *const sources[HCS_VALUES] = {
		[HCS_LOAD] = "load", [HCS_CPU] = "cpu", [HCS_MEMORY] = "memory",
	};
	const char *args[] = {
		"graph", "-", "--imgformat", "PNG", "--width", WIDTH, "--height", HEIGHT,
		"--start", start, "--end", end, "--title", title, "--vertical-label", "of the whole",
		"--lower-limit", "0", "--upper-limit", "1", "--rigid", "--slope-mode",
		"--border", "0", "--color", "BACK#ffffff", "--color", "CANVAS#ffffff",
		"--color", "GRID#e4e4e4", "--color", "MGRID#c8c8c8",
		defs[HCS_LOAD], defs[HCS_CPU], defs[HCS_MEMORY],
		/* Grey where nothing is known: that is not an idle node. */
		"CDEF:gap=load,UN,1,UNKN,IF", "AREA:gap#eeeeee:unknown\\n",
		"AREA:load#9ec5e8:load  ", "GPRINT:load:MIN:min %4.2lf",
		"GPRINT:load:AVERAGE:mean %4.2lf", "GPRINT:load:MAX:max %4.2lf",
		"GPRINT:load:LAST:now %4.2lf\\n",
		"LINE1.5:cpu#d9622b:CPU   ", "GPRINT:cpu:MIN:min %4.2lf",
		"GPRINT:cpu:AVERAGE:mean %4.2lf", "GPRINT:cpu:MAX:max %4.2lf",
		"GPRINT:cpu:LAST:now %4.2lf\\n",
		"LINE1.5:memory#2f7d4f:memory", "GPRINT:memory:MIN:min %4.2lf",
		"GPRINT:memory:AVERAGE:mean %4.2lf", "GPRINT:memory:MAX:max %4.2lf",
		"GPRINT:memory:LAST:now %4.2lf\\n",
	};
	int nr = (int)(sizeof(args) / sizeof(args[0])), r = -EIO;
	rrd_info_t *info;

	snprintf(path, sizeof(path), "%s.rrd", name);
	if (access(path, F_OK) != 0) {
		snprintf(error, HCS_ERROR_LEN, "Nothing was measured of %s yet.", name);
		return -ENOENT;
	}
	snprintf(start, sizeof(start), "%lld",
		 (long long)now - (long long)hcs_window_seconds(window));
	snprintf(end, sizeof(end), "%lld", (long long)now);
	for (int v = 0; v < HCS_VALUES; v++)
		snprintf(defs[v], sizeof(defs[v]), "DEF:%s=%s:%s:AVERAGE", sources[v], path,
			 sources[v]);
	info = rrd_graph_v(nr, (char **)args);
	for (rrd_info_t *i = info; i; i = i->next) {
		if (strcmp(i->key, "image") != 0 || i->type != RD_I_BLO)
			continue;
		if (i->value.u_blo.size > HCS_PNG_MAX) {
			rrd_set_error("the picture is too large");
			break;
		}
		*ret_png = malloc(i->value.u_blo.size);
		if (!*ret_png) {
			r = -ENOMEM;
			break;
		}
		memcpy(*ret_png, i->value.u_blo.ptr, i->value.u_blo.size);
		*ret_len = i->value.u_blo.size;
		r = 0;
		break;
	}
	rrd_info_free(info);
	if (r < 0)
		snprintf(error, HCS_ERROR_LEN, "No picture of %s could be drawn: %.160s.", name,
			 r == -ENOMEM ? strerror(ENOMEM) : rrd_get_error());
	rrd_clear_error();
	return r;
}
