/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command nouns. argv[0] is the command's full name; they return the exit code. */
#ifndef HC_CMD_H
#define HC_CMD_H

#include <stdbool.h>
#include <stdint.h>

int cmd_cluster(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_node(int argc, char **argv);
int cmd_peer(int argc, char **argv);
int cmd_memory(int argc, char **argv);
int cmd_track(int argc, char **argv);
int cmd_untrack(int argc, char **argv);
int cmd_env(int argc, char **argv);
int cmd_migrate(int argc, char **argv);
int cmd_process(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_simulate(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_user(int argc, char **argv);
int cmd_job(int argc, char **argv);
int cmd_usage(int argc, char **argv);
int cmd_load(int argc, char **argv);
int cmd_metrics(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_panel(int argc, char **argv);
int cmd_vnc(int argc, char **argv);

/* events of the cluster: its log of decisions. Exit code. @count, @timeout_s 0: no limit. */
int cmd_events_cluster(const char *rule, const char *user, bool is_following, uint64_t count,
		       uint64_t timeout_s);

/* Verbs of "node" with a file of their own. */
int cmd_node_token(int argc, char **argv);
int cmd_node_join(int argc, char **argv);
int cmd_node_remove(int argc, char **argv);
int cmd_node_drain(int argc, char **argv);
int cmd_node_undrain(int argc, char **argv);

/* Verbs of "env" with a file of their own. */
int cmd_env_create(int argc, char **argv);
int cmd_env_start(int argc, char **argv);
int cmd_env_stop(int argc, char **argv);
int cmd_env_leader(int argc, char **argv);
int cmd_env_resize(int argc, char **argv);
int cmd_env_del(int argc, char **argv);
int cmd_env_exec(int argc, char **argv);

/* Verbs of "memory" with files of their own. */
int cmd_memory_show(int argc, char **argv);
int cmd_memory_swap(int argc, char **argv);
int cmd_memory_drain(int argc, char **argv);

#endif /* HC_CMD_H */
