/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/background.h"

#include "platform/testing.h"

#include <signal.h>

bool ms_background_start(pthread_t *thread, const char *name, void *(*run)(void *context),
                         void *context)
{
    sigset_t all, before;

    if (ms_testing_refuses_memory())
        return false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool started = pthread_create(thread, NULL, run, context) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        pthread_setname_np(*thread, name);
    return started;
}
