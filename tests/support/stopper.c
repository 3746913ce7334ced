/* SPDX-License-Identifier: Apache-2.0 */
#include "support/stopper.h"

#include "support/await.h"
#include "support/support.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

static __thread bool is_stopped_thread;
static enum ms_testing_point stop_point;
static sem_t stopped, go_on;
static atomic_bool was_stopped;
static pthread_t thread;
static void (*thread_work)(void *context);
static void *thread_context;

static void stop_here(enum ms_testing_point point, void *context)
{
    (void)context;
    if (!is_stopped_thread || point != stop_point || atomic_exchange(&was_stopped, true))
        return;
    sem_post(&stopped);
    while (sem_wait(&go_on) != 0)
        ;
}

static void *run(void *unused)
{
    (void)unused;
    is_stopped_thread = true;
    while (!atomic_load(&was_stopped))
        thread_work(thread_context);
    return NULL;
}

void test_stop_at(enum ms_testing_point point, void (*work)(void *context), void *context)
{
    stop_point = point;
    thread_work = work;
    thread_context = context;
    atomic_store(&was_stopped, false);
    sem_init(&stopped, 0, 0);
    sem_init(&go_on, 0, 0);
    ms_testing_set_hook(stop_here, NULL);
    CHECK(pthread_create(&thread, NULL, run, NULL) == 0);
    TEST_AWAIT(sem_trywait(&stopped) == 0);
}

void test_let_go(void)
{
    sem_post(&go_on);
    CHECK(pthread_join(thread, NULL) == 0);
    ms_testing_set_hook(NULL, NULL);
}
