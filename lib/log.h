/*
 * The log: one line per event, one system call per line.
 *
 *   2026-11-21T22:04:05.123Z info worker 3: ready after 2 ms
 *
 * Writing never stops the process: a line that the destination does not take at once (its reader has stopped reading or
 * is gone, the disk is full) is lost and counted. When writing works again, a line says how many were lost, at most one
 * such line a second:
 *
 *   2026-11-21T22:04:07.001Z warn worker 3: 12 lines of the log were lost: its reader does not keep up
 *
 * How, by what the destination is:
 *   pipe, terminal     a description of our own with O_NONBLOCK, through /proc; the inherited one is shared with other
 *                      programs, and stays as it is
 *   socket             MSG_DONTWAIT
 *   regular file       as it is; the system has no write to a file that does not wait for the disk
 *   any other, and pipes and terminals where /proc or a permission is missing: asked by poll(2) before each line. Where
 *                      several processes share a pipe that has room for one line, poll(2) can promise it to two of them.
 * A whole line goes into a pipe or none of it, if it has at most PIPE_BUF bytes, as all lines of log_line() have. Where a
 * part of a line was taken, the next one begins on a line of its own.
 *
 * Only programs log (main, master, worker, admin); libraries return errors. Nothing that a client
 * sent as the text of a QR code may be passed in here (the access log has its own rules, see
 * server/access.h). SIGPIPE has to be ignored where the destination can be a pipe. Not for several threads.
 */
#ifndef QUERN_LIB_LOG_H
#define QUERN_LIB_LOG_H

#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/*
 * Lines at `level` and above go to `destination`: "stderr", or a file's path, which is opened for
 * appending; a path of PATH_MAX bytes or more is -ENAMETOOLONG. 0 or -errno, and then nothing has changed. Before the
 * first call, everything from info up goes to stderr. Children go on with the log of their parent.
 */
int log_open(enum log_level level, const char *destination);

/*
 * Opens the destination again by its path, after somebody has moved the file away. 0, also where there is nothing to do
 * (stderr), or -errno, and then the old one stays.
 */
int log_reopen(void);

/* The same for a process that was told to: a failure is a line in the old one. */
void log_rotate(void);

void log_set_level(enum log_level level);

/* Who speaks from now on, e.g. "worker 3"; copied. What was lost so far stays the business of who spoke before. */
void log_set_role(const char *role);

/* For who has to write by itself, as in a signal handler: the role, "quern" if none was set, and the descriptor that
 * lines go to. */
const char *log_role(void);
int log_descriptor(void);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes a ready-made line (it ends in a newline) to the log's destination, whatever the level. */
void log_raw(const char *line, size_t len);

/* How many lines of this process, and of its parent before the fork, could not be written whole. */
uint64_t log_lost(void);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
