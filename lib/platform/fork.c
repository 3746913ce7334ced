/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/fork.h"

#include <pthread.h>

/* Zeroed is initialized. */
struct fork_members {
    pthread_mutex_t lock;
    ms_fork_member *first;
};

/* The compiler has no attribute for a symbol that is unique in the process, the assembler has. */
__asm__(".pushsection .bss.memstore_fork_members, \"aw\", @nobits\n"
        ".globl memstore_fork_members\n"
        ".type memstore_fork_members, @gnu_unique_object\n"
        ".balign 16\n"
        ".size memstore_fork_members, 64\n"
        "memstore_fork_members:\n"
        ".zero 64\n"
        ".popsection\n");
extern __attribute__((visibility("default"))) struct fork_members memstore_fork_members;

_Static_assert(sizeof(struct fork_members) <= 64, "the object is as large as its symbol says");

#define EACH_MEMBER(member)                                                                        \
    for (ms_fork_member * (member) = memstore_fork_members.first; (member) != NULL;                \
         (member) = (member)->next)

/* Of those that share a domain, the first in the list speaks for it. */
static bool speaks_for_domain(const ms_fork_member *member)
{
    EACH_MEMBER(other)
    {
        if (other->domain == member->domain)
            return other == member;
    }
    return false;
}

static void before(void)
{
    pthread_mutex_lock(&memstore_fork_members.lock);
    EACH_MEMBER(member)
    member->lock_outer();
    EACH_MEMBER(member)
    {
        if (speaks_for_domain(member))
            member->stop_grace_periods();
    }
    EACH_MEMBER(member)
    member->lock_inner();
}

static void after(bool in_child)
{
    EACH_MEMBER(member)
    {
        if (speaks_for_domain(member))
            member->resume_grace_periods(in_child);
    }
    EACH_MEMBER(member)
    member->unlock(in_child);
    pthread_mutex_unlock(&memstore_fork_members.lock);
}

static void after_in_parent(void)
{
    after(false);
}

static void after_in_child(void)
{
    after(true);
}

void ms_fork_register(ms_fork_member *member)
{
    pthread_mutex_lock(&memstore_fork_members.lock);
    const bool is_first = memstore_fork_members.first == NULL;
    member->next = memstore_fork_members.first;
    memstore_fork_members.first = member;
    /* With the lock held, so that no other copy's member is there before the handlers are. No handler
     * that could wait for the lock is called before pthread_atfork() has returned. */
    if (is_first)
        pthread_atfork(before, after_in_parent, after_in_child);
    pthread_mutex_unlock(&memstore_fork_members.lock);
}
