/*
 * libevent's own messages, into our log. By itself it prints them to standard error, which can stop a process whose reader
 * has stopped reading.
 */
#ifndef QUERN_SERVER_LIBEVENT_LOG_H
#define QUERN_SERVER_LIBEVENT_LOG_H

/* For this process and its children; to be called before the first event_base is made. */
void libevent_log_install(void);

#endif
