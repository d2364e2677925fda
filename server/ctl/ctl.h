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
#include <stdint.h>

#define CTL_DEADLINE_MS 2000 /* for one exchange with the admin process */
#define CTL_WHY_BYTES 256

/*
 * Fetches and reads the status of the quernd whose admin address is given. 0; or -errno, and then
 * why is one line for people.
 */
int ctl_report(const char *address, struct report *ret, char why[CTL_WHY_BYTES])
	__attribute__((warn_unused_result));

/* A line on standard error that is written over itself, for people at a terminal only. */
void ctl_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void ctl_progress_end(void);

/* Prints the table once, or, with json, status.json as it came. */
int ctl_status(const char *address, bool json);

/* The table, every second anew, until q, Ctrl-C or a signal. */
int ctl_top(const char *address);

/* Where a quernd is that shall change. */
struct ctl_place {
	const char *address; /* to ask */
	const char *then;    /* asked when nobody answers there any more; NULL: nothing is */
	const char *file;    /* the configuration that told the address; NULL: none did */
};

/*
 * Each asks the master by a signal for a change and waits for what comes of it: to read its
 * configuration again, to run that many workers, to start the program's new binary in its place.
 */
int ctl_reload(const struct ctl_place *place);
int ctl_scale(const struct ctl_place *place, uint32_t workers);
int ctl_upgrade(const struct ctl_place *place);

/* Ends that quernd by SIGTERM and waits until it is gone, with all that older masters have left. */
int ctl_stop(const char *address);

#endif
