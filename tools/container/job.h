/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs of jobs: job.run, .look, .list, .stop, .del and .read of the socket. See job.c. */
#ifndef HC_CONTAINER_JOB_H
#define HC_CONTAINER_JOB_H

#include "container.h"

/* Do @verb. Return: 0 and *@ret_answer (decref), or -errno with @error. */
int hcc_job(const char *verb, json_t *request, json_t **ret_answer, char error[HCC_ERROR_LEN]);

#endif /* HC_CONTAINER_JOB_H */
