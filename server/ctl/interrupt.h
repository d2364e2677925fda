/* Ctrl-C while quernctl waits: it ends the waiting only, and that is said. */
#ifndef QUERN_SERVER_CTL_INTERRUPT_H
#define QUERN_SERVER_CTL_INTERRUPT_H

/*
 * From now on SIGINT, unless it is ignored, ends the line of the progress, says on standard error that `what` ("reload")
 * goes on, and then ends this process as it does by default: a shell takes that for 130.
 */
void interrupt_expect(const char *what);

/* The waiting is over: SIGINT says nothing any more. */
void interrupt_done(void);

#endif
