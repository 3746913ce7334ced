/* SPDX-License-Identifier: Apache-2.0 */
/* fork(), when several copies of the library are in one process.
 *
 * What a copy locks around fork() has an order, with liburcu's grace periods stopped in the middle of
 * it (platform/rank.h). Copies that are loaded beside each other, privately too, may share one
 * liburcu; so each may neither stop it for itself (its locks are not recursive) nor after another
 * has locked what its readers wait for. Therefore the process has one pair of handlers, whoever came
 * first, which takes all copies through the steps together.
 *
 * The copies find each other by a symbol that the dynamic linker makes one for the process
 * (STB_GNU_UNIQUE). Where it does not, each copy is alone, and only one of those that share a
 * liburcu may have opened a store when the process forks.
 *
 * FO-1  The list and its members are read by copies of other versions: neither changes its layout;
 *       another layout is another symbol.
 * FO-2  A member stays: a copy that has opened a store is never unloaded (-z nodelete). */
#ifndef MS_PLATFORM_FORK_H
#define MS_PLATFORM_FORK_H

#include <stdbool.h>

typedef struct ms_fork_member {
    struct ms_fork_member *next;
    /* What tells one liburcu from another. */
    const void *domain;
    /* Before fork(), in this order; grace periods are stopped and let go once for each domain. */
    void (*lock_outer)(void);
    void (*stop_grace_periods)(void);
    void (*lock_inner)(void);
    /* After it, in this order. */
    void (*resume_grace_periods)(bool in_child);
    void (*unlock)(bool in_child);
} ms_fork_member;

/* Have a member called around every fork() from now on. It must stay in memory. */
void ms_fork_register(ms_fork_member *member);

#endif
