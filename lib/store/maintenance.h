/* SPDX-License-Identifier: Apache-2.0 */
/* The process' stores and the thread that looks after them. */
#ifndef MS_STORE_MAINTENANCE_H
#define MS_STORE_MAINTENANCE_H

#include <memstore/memstore.h>
#include <stdbool.h>
#include <stdint.h>

/* Every store is registered until it is destroyed, so that fork() finds it; those with background
 * maintenance are also looked after, until they are closed. */
int ms_maintenance_register(memstore *store);
/* It is closed: no round of it begins any more, and none goes on. */
void ms_maintenance_retire(memstore *store);
/* Its threads and locks are about to go. */
void ms_maintenance_unregister(memstore *store);
/* Something is to be done before the time it was planned for. False when nobody does it in the
 * background. */
bool ms_maintenance_wake(memstore *store);
/* The same from a read: nothing is waited for, and if the thread is just being woken it is not. */
void ms_maintenance_try_wake(memstore *store);
/* Wait for a grace period, at most until the deadline. With background maintenance its thread
 * does the waiting that has no bound; with manual maintenance the caller does. False when the
 * deadline passed. */
bool ms_maintenance_grace_period(memstore *store, int64_t deadline_us);
/* Have the maintenance thread let one pass: its number, or 0 when there is no such thread, or it is away. */
uint64_t ms_maintenance_begin_grace_period(memstore *store);
/* Wait for it, at most until the deadline, 0 = not at all; nor does the maintenance thread. False
 * when it has not passed. */
bool ms_maintenance_await_grace_period(uint64_t number, int64_t deadline_us);
/* The maintenance thread, no lock held: let those pass that were begun. */
void ms_maintenance_pass_grace_periods(void);
/* Around what may keep it long, as a file system that hangs, if this is the maintenance thread: whoever
 * needs a grace period meanwhile lets it pass himself. No lock held. */
void ms_maintenance_goes_away(void);
void ms_maintenance_is_back(void);
/* Start the thread that a child of fork() lacks: its parent's had planned what is due. */
void ms_maintenance_resume(memstore *store);
/* Plan for something that is due earlier than all before. False when there is no thread and none
 * could be started. */
bool ms_maintenance_plan(memstore *store);
/* Whether this is the maintenance thread. It does not wait for those who may be waiting for it. */
bool ms_maintenance_is_me(void);

#endif
