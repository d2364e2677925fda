/*
 * The log: one line per event, one write(2) per line.
 *
 *   2026-11-21T22:04:05.123Z info worker 3: ready after 2 ms
 *
 * Only programs log (main, master, worker, admin); libraries return errors. Nothing that a client
 * sent as the text of a QR code may be passed in here (the access log has its own rules, see
 * server/access.h).
 */
#ifndef QUERN_LIB_LOG_H
#define QUERN_LIB_LOG_H

#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/*
 * Lines at `level` and above go to `destination`: "stderr", or a file's path, which is opened for
 * appending. 0 or -errno, and then nothing has changed. Before the first call, everything from info
 * up goes to stderr.
 */
int log_open(enum log_level level, const char *destination);

/* Who speaks, e.g. "worker 3"; copied. */
void log_set_role(const char *role);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes a ready-made line (it ends in a newline) to the log's destination, whatever the level. */
void log_raw(const char *line, size_t len);

/* How many lines of this process could not be written whole (disk full, reader gone). */
uint64_t log_lost(void);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
