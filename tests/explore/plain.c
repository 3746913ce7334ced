/* SPDX-License-Identifier: Apache-2.0 */
/* Accesses that are not atomic: what gcc calls before each, and the functions of string.h, which
 * the explored sources are made to call here. */
#include "model.h"

#include <string.h>

#define SITE __builtin_return_address(0)

#define DEFINE_ACCESS(name, size, writes)                                                          \
    void __tsan_##name(void *address);                                                             \
    void __tsan_##name(void *address)                                                              \
    {                                                                                              \
        memory_plain(address, size, writes, SITE);                                                 \
    }

DEFINE_ACCESS(read1, 1, false)
DEFINE_ACCESS(read2, 2, false)
DEFINE_ACCESS(read4, 4, false)
DEFINE_ACCESS(read8, 8, false)
DEFINE_ACCESS(read16, 16, false)
DEFINE_ACCESS(write1, 1, true)
DEFINE_ACCESS(write2, 2, true)
DEFINE_ACCESS(write4, 4, true)
DEFINE_ACCESS(write8, 8, true)
DEFINE_ACCESS(write16, 16, true)
DEFINE_ACCESS(unaligned_read2, 2, false)
DEFINE_ACCESS(unaligned_read4, 4, false)
DEFINE_ACCESS(unaligned_read8, 8, false)
DEFINE_ACCESS(unaligned_write2, 2, true)
DEFINE_ACCESS(unaligned_write4, 4, true)
DEFINE_ACCESS(unaligned_write8, 8, true)

void __tsan_read_range(void *address, size_t size);
void __tsan_read_range(void *address, size_t size)
{
    memory_plain(address, size, false, SITE);
}

void __tsan_write_range(void *address, size_t size);
void __tsan_write_range(void *address, size_t size)
{
    memory_plain(address, size, true, SITE);
}

void __tsan_init(void);
void __tsan_init(void)
{
}

void *explore_memcpy(void *to, const void *from, size_t size);
void *explore_memcpy(void *to, const void *from, size_t size)
{
    memory_plain((void *)from, size, false, SITE);
    memory_plain(to, size, true, SITE);
    return memcpy(to, from, size);
}

void *explore_memset(void *to, int byte, size_t size);
void *explore_memset(void *to, int byte, size_t size)
{
    memory_plain(to, size, true, SITE);
    return memset(to, byte, size);
}

int explore_memcmp(const void *a, const void *b, size_t size);
int explore_memcmp(const void *a, const void *b, size_t size)
{
    memory_plain((void *)a, size, false, SITE);
    memory_plain((void *)b, size, false, SITE);
    return memcmp(a, b, size);
}
