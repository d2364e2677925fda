/* The terminal: its size, and full-screen mode, which is left again at any end but SIGKILL. */
#ifndef QUERN_SERVER_CTL_SCREEN_H
#define QUERN_SERVER_CTL_SCREEN_H

#include "lib/buffer.h"
#include "server/ctl/table.h"

#include <stddef.h>
#include <stdint.h>

/*
 * The style for output to fd: the terminal's size, and colours unless NO_COLOR is set or TERM is
 * "dumb"; where fd is no terminal 120 columns, no colours, no limit of lines. The caller has called
 * setlocale().
 */
struct table_style screen_style(int fd);

/* What screen_wait() saw. */
enum screen_event {
	SCREEN_TIME,   /* the time is over */
	SCREEN_REDRAW, /* the size changed, the program was continued, or a key asks for it */
	SCREEN_QUIT,   /* q, Ctrl-C, Ctrl-D, or a signal to end: then screen_signal() is not 0 */
};

/*
 * Takes over the terminal of standard output: alternate screen, no cursor, keys unechoed. Handles
 * SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT and SIGWINCH from here on; they are blocked
 * outside of screen_wait(). Fatal signals (SIGSEGV and such) restore the terminal first. 0 or
 * -errno.
 */
int screen_open(void);
void screen_close(void);

/*
 * Shows the lines in text from the top of the screen on, and nothing below them; at most `rows` of
 * them unless that is 0, since one line too many would scroll the first one away. 0 or -errno.
 */
int screen_draw(const struct buffer *text, size_t rows);

/* Waits for a key or a signal, until the clock_us() given. */
enum screen_event screen_wait(uint64_t until_us);

/* The signal to end that came, or 0. */
int screen_signal(void);

#endif
