/* SPDX-License-Identifier: Apache-2.0 */
#include "store/read/view_pass.h"

#include "platform/mem.h"

void ms_view_passes_init(struct ms_view_passes *passes)
{
    *passes = (struct ms_view_passes){.made = NULL};
    ms_mutex_init(&passes->lock, MS_RANK_PASSES);
}

void ms_view_passes_fini(struct ms_view_passes *passes)
{
    while (passes->made != NULL) {
        struct ms_view_pass *next = passes->made->next_made;

        ms_mem_free(passes->made);
        passes->made = next;
    }
    ms_mutex_destroy(&passes->lock);
}

static void push_free_locked(struct ms_view_passes *passes, struct ms_view_pass *pass)
{
    pass->next_free = passes->free;
    passes->free = pass;
}

static struct ms_view_pass *pop_free(struct ms_view_passes *passes)
{
    ms_mutex_lock(&passes->lock);
    struct ms_view_pass *pass = passes->free;
    if (pass != NULL)
        passes->free = pass->next_free;
    ms_mutex_unlock(&passes->lock);
    return pass;
}

struct ms_view_pass *ms_view_pass_take(struct ms_view_passes *passes)
{
    struct ms_view_pass *pass = pop_free(passes);

    if (pass != NULL || (pass = ms_mem_alloc(sizeof *pass)) == NULL)
        return pass;
    pass->owner = passes;
    ms_mutex_lock(&passes->lock);
    pass->next_made = passes->made;
    passes->made = pass;
    ms_mutex_unlock(&passes->lock);
    return pass;
}

void ms_view_pass_give(struct ms_view_pass *pass, memstore_view *view)
{
    pass->holder = ms_thread_serial();
    /* ORDER: release, so that the holder is written first (PS-1 in the child of a fork()). */
    ms_store_release(&pass->pin, view->pin);
    view->pin = (void *)((uintptr_t)pass | 1);
}

struct ms_view_pass *ms_view_pass_withdraw(memstore_view *view)
{
    struct ms_view_pass *pass = (struct ms_view_pass *)((uintptr_t)view->pin & ~(uintptr_t)1);

    view->pin = ms_load_relaxed(&pass->pin);
    return pass;
}

void ms_view_pass_put(struct ms_view_pass *pass)
{
    struct ms_view_passes *passes = pass->owner;

    ms_mutex_lock(&passes->lock);
    ms_store_relaxed(&pass->pin, NULL);
    push_free_locked(passes, pass);
    ms_mutex_unlock(&passes->lock);
}

uint32_t ms_view_passes_recount(struct ms_view_passes *passes)
{
    uint32_t own = 0;

    passes->free = NULL;
    for (struct ms_view_pass *pass = passes->made; pass != NULL; pass = pass->next_made) {
        if (ms_load_relaxed(&pass->pin) == NULL)
            push_free_locked(passes, pass);
        else if (pass->holder == ms_thread_serial())
            own++;
        else
            pass->holder = 0;
    }
    return own;
}
