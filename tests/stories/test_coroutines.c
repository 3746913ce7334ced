/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that the store calls, left in their middle for another stack of the same thread, in an order
 * of their own. */
#include "store/store.h"
#include "support/criterion.h"
#include "support/folder.h"
#include "support/process.h"

#include <pthread.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK_SIZE (256 * 1024)

/* One stack, on which something is done with a store. */
struct coroutine {
    memstore *store;
    void (*run)(struct coroutine *coroutine);
    const char *text; /* a key, or a file */
    int status;
    bool is_over;
    bool has_left;
    char *stack;
    ucontext_t own, main;
};

/* That is begun; makecontext() passes nothing but integers. */
static struct coroutine *beginning;

static void begin(void)
{
    struct coroutine *const me = beginning;

    me->run(me);
    me->is_over = true;
    swapcontext(&me->own, &me->main);
}

static struct coroutine coroutine_of(memstore *store, const char *text,
                                     void (*run)(struct coroutine *))
{
    return (struct coroutine){
        .store = store, .run = run, .text = text, .stack = malloc(STACK_SIZE)};
}

static void start(struct coroutine *coroutine)
{
    getcontext(&coroutine->own);
    coroutine->own.uc_stack.ss_sp = coroutine->stack;
    coroutine->own.uc_stack.ss_size = STACK_SIZE;
    makecontext(&coroutine->own, begin, 0);
    beginning = coroutine;
    swapcontext(&coroutine->main, &coroutine->own);
    cr_assert(!coroutine->is_over);
}

/* Let it come to its end; what was on its stack is gone then. */
static void finish(struct coroutine *coroutine)
{
    swapcontext(&coroutine->main, &coroutine->own);
    cr_assert(coroutine->is_over);
    memset(coroutine->stack, 0xff, STACK_SIZE);
    free(coroutine->stack);
}

static void leave(struct coroutine *coroutine)
{
    coroutine->has_left = true;
    swapcontext(&coroutine->own, &coroutine->main);
}

/* ---- Loaders ---- */

static int load(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    leave(context);
    out->value = key;
    out->value_size = key_size;
    return MEMSTORE_LOAD_OK;
}

static void load_key(struct coroutine *coroutine)
{
    const memstore_loader loader = {
        .struct_size = sizeof(loader), .load = load, .context = coroutine};
    memstore_view view;

    coroutine->status = memstore_get_or_load(coroutine->store, coroutine->text,
                                             strlen(coroutine->text), &loader, &view);
    if (coroutine->status == MEMSTORE_OK)
        memstore_view_release(&view);
}

static int load_at_once(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    (void)context;
    out->value = key;
    out->value_size = key_size;
    return MEMSTORE_LOAD_OK;
}

static void *load_elsewhere(void *store)
{
    const memstore_loader loader = {.struct_size = sizeof(loader), .load = load_at_once};
    memstore_view view;
    const int status = memstore_get_or_load(store, "elsewhere", 9, &loader, &view);

    if (status == MEMSTORE_OK)
        memstore_view_release(&view);
    return (void *)(intptr_t)status;
}

/* What another thread gets that loads; there is a place for one. */
static int status_elsewhere(memstore *store)
{
    pthread_t thread;
    void *status;

    pthread_create(&thread, NULL, load_elsewhere, store);
    pthread_join(thread, &status);
    return (int)(intptr_t)status;
}

static memstore *open_with_one_place(void)
{
    return test_open("maintenance=manual", "loader.max_loads=1", "loader.timeout=20ms",
                     "loader.on_store_error=fail", NULL);
}

Test(coroutines, a_loader_that_began_first_may_end_first)
{
    memstore *store = open_with_one_place();
    struct coroutine first = coroutine_of(store, "first", load_key);
    struct coroutine second = coroutine_of(store, "second", load_key);

    start(&first);
    start(&second);
    finish(&first);
    cr_assert_eq(first.status, MEMSTORE_OK);
    cr_assert_eq(memstore_close(store), MEMSTORE_ERR_UNSUPPORTED);
    /* The place is the thread's, which is in a loader. */
    cr_assert_eq(status_elsewhere(store), MEMSTORE_ERR_LOCK_TIMEOUT);
    finish(&second);
    cr_assert_eq(second.status, MEMSTORE_OK);
    cr_assert_eq(status_elsewhere(store), MEMSTORE_OK);
    cr_assert_eq(memstore_close(store), MEMSTORE_OK);
    memstore_destroy(store);
}

Test(coroutines, a_loader_gives_its_place_back_while_one_of_another_store_goes_on)
{
    memstore *one = open_with_one_place(), *other = open_with_one_place();
    struct coroutine first = coroutine_of(one, "first", load_key);
    struct coroutine second = coroutine_of(other, "second", load_key);

    start(&first);
    start(&second);
    finish(&first);
    cr_assert_eq(status_elsewhere(one), MEMSTORE_OK);
    cr_assert_eq(memstore_close(other), MEMSTORE_ERR_UNSUPPORTED);
    cr_assert_eq(memstore_close(one), MEMSTORE_OK);
    memstore_destroy(one);
    finish(&second);
    cr_assert_eq(status_elsewhere(other), MEMSTORE_OK);
    memstore_destroy(other);
}

/* ---- Progress ---- */

static int tell(const memstore_progress *progress, void *context)
{
    struct coroutine *coroutine = context;

    /* Once, while it is saved. */
    if (progress->phase == MEMSTORE_PHASE_SAVING && !coroutine->has_left)
        leave(coroutine);
    return 0;
}

static void save(struct coroutine *coroutine)
{
    coroutine->status = memstore_save(coroutine->store, coroutine->text, tell, coroutine);
}

static void set_some(memstore *store, const char *value)
{
    const memstore_entry items[] = {{{"a", 1}, value, 1, MEMSTORE_TTL_DEFAULT},
                                    {{"b", 1}, value, 1, MEMSTORE_TTL_DEFAULT}};

    cr_assert_eq(memstore_set_many(store, items, 2), MEMSTORE_OK);
}

Test(coroutines, a_save_that_began_first_may_end_first, .fini = test_folder_remove)
{
    memstore *store = test_open("maintenance=manual", NULL);
    struct coroutine first = coroutine_of(store, test_path("first"), save);
    struct coroutine second = coroutine_of(store, test_path("second"), save);

    set_some(store, "1");
    start(&first);
    set_some(store, "2");
    start(&second);
    set_some(store, "3");
    finish(&first);
    cr_assert_eq(first.status, MEMSTORE_OK);
    set_some(store, "4");
    finish(&second);
    cr_assert_eq(second.status, MEMSTORE_OK);
    memstore_destroy(store);
}

Test(coroutines, the_child_of_a_fork_knows_which_saves_it_is_in, .fini = test_folder_remove)
{
    memstore *store = test_open("maintenance=manual", NULL);
    struct coroutine first = coroutine_of(store, test_path("first"), save);
    struct coroutine second = coroutine_of(store, test_path("second"), save);

    start(&first);
    start(&second);
    finish(&first);
    const pid_t child = test_fork();
    if (child == 0) {
        finish(&second);
        /* It would wait for a call that is over. */
        _exit(memstore_close(store) == MEMSTORE_OK ? 0 : 1);
    }
    cr_assert_eq(test_child_status(child), 0);
    finish(&second);
    memstore_destroy(store);
}
