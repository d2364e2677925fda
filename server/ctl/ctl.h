/*
 * The commands of quernctl. Each returns the program's exit code and has said on standard error why
 * it is not 0.
 */
#ifndef QUERN_SERVER_CTL_CTL_H
#define QUERN_SERVER_CTL_CTL_H

#include "config/command.h"
#include "lib/buffer.h"
#include "server/ctl/report.h"

#include <stdbool.h>

#define CTL_DEADLINE_MS 2000 /* for one exchange with the admin process */
#define CTL_WHY_BYTES 256

/*
 * Fetches and reads the status of the quernd whose admin address is given. 0; or -errno, and then
 * why is one line for people.
 */
int ctl_report(const char *address, struct report *ret, char why[CTL_WHY_BYTES])
	__attribute__((warn_unused_result));

/* Prints the table once, or, with json, status.json as it came. */
int ctl_status(const char *address, bool json);

/* The table, every second anew, until q, Ctrl-C or a signal. */
int ctl_top(const char *address);

/* Ends that quernd by SIGTERM and waits until it is gone. */
int ctl_stop(const char *address);

#endif
