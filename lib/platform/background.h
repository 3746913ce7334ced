/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of the library's own, in programs that are somebody else's. */
#ifndef MS_PLATFORM_BACKGROUND_H
#define MS_PLATFORM_BACKGROUND_H

#include <pthread.h>
#include <stdbool.h>

/* Start a thread that has this name, of 15 bytes at most, where the system lists threads, and that takes no
 * signal which is the program's. False when there is no memory for it, or the system gives none. */
bool ms_background_start(pthread_t *thread, const char *name, void *(*run)(void *context),
                         void *context);

#endif
