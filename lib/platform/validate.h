/* SPDX-License-Identifier: Apache-2.0 */
/* For the functions ms_<module>_validate(), which check a container's invariants from the ground
 * up. They are there for tests and for builds with asserts, not in the library that ships.
 *
 * Each returns NULL when all holds, else a sentence that begins with the invariant that does not.
 * Nobody else may use the container meanwhile. */
#ifndef MS_PLATFORM_VALIDATE_H
#define MS_PLATFORM_VALIDATE_H

#if defined(MS_TESTING) || !defined(NDEBUG)
#define MS_VALIDATES 1
#else
#define MS_VALIDATES 0
#endif

#define MS_REQUIRE(condition, sentence)                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return sentence;                                                                       \
    } while (0)

/* Hand on what another such function found. */
#define MS_REQUIRE_VALID(call)                                                                     \
    do {                                                                                           \
        const char *const problem = (call);                                                        \
        if (problem != NULL)                                                                       \
            return problem;                                                                        \
    } while (0)

#endif
