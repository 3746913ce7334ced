/* SPDX-License-Identifier: Apache-2.0 */
/* One build of the library, loaded beside others: its functions by pointers, and a store of it. */
#ifndef COMPARE_ENGINE_H
#define COMPARE_ENGINE_H

#include <memstore/memstore.h>
#include <stdint.h>

/* The functions that are called, by the names they have without "memstore_". */
#define ENGINE_FUNCTIONS(X)                                                                        \
    X(config_new)                                                                                  \
    X(config_set)                                                                                  \
    X(config_free)                                                                                 \
    X(open)                                                                                        \
    X(destroy)                                                                                     \
    X(get)                                                                                         \
    X(has)                                                                                         \
    X(set)                                                                                         \
    X(set_many)                                                                                    \
    X(get_view)                                                                                    \
    X(get_many)                                                                                    \
    X(view_release)                                                                                \
    X(view_release_many)

struct engine {
    const char *path;
    void *library;
    int64_t ttl_ms;     /* of all that is set */
    uint64_t opened_ns; /* when the first entry had not been set yet */
    memstore *full;     /* all entries fit */
    memstore *pressed;  /* written to without end: evicts all the time */
#define ENGINE_POINTER(name) __typeof__(memstore_##name) *name;
    ENGINE_FUNCTIONS(ENGINE_POINTER)
#undef ENGINE_POINTER
};

/* Load the library at `path`, apart from every other. Ends the program when that fails. A path that is
 * loaded already gives the same library once more. */
void engine_load(struct engine *engine, const char *path, int64_t ttl_ms);
/* Open both stores and fill them with ids 0 to entries - 1. The first one loses none of them; what it has may was used before:
 * it compacts from now on when keys are set. Ends the program when that fails. */
void engine_open(struct engine *engine, uint64_t entries);
void engine_close(struct engine *engine);

#endif
