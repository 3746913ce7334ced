/* SPDX-License-Identifier: Apache-2.0 */
#include "support/stamp.h"

#include <string.h>

static uint64_t mix(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * UINT64_C(0x9fb21c651e98df25);
    return sum ^ (sum >> 35);
}

static uint64_t checksum(const struct test_stamp *stamp, const unsigned char *body, size_t size)
{
    uint64_t sum = mix(
        mix(mix(mix(mix(1, stamp->key), stamp->writer), stamp->sequence), (uint64_t)stamp->time),
        size);

    for (; size >= 8; body += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, body, 8);
        sum = mix(sum, word);
    }
    while (size-- > 0)
        sum = mix(sum, *body++);
    return sum;
}

void test_stamp_write(void *value, size_t size, struct test_stamp stamp)
{
    unsigned char *body = (unsigned char *)value + sizeof stamp;
    const size_t left = size - sizeof stamp;

    /* A body that differs from write to write, so that a mix of two shows. */
    memset(body, (int)(mix(stamp.key, stamp.sequence) & 0xff), left);
    stamp.size = size;
    stamp.checksum = checksum(&stamp, body, left);
    memcpy(value, &stamp, sizeof stamp);
}

bool test_stamp_read(const void *value, size_t size, struct test_stamp *stamp)
{
    if (size < sizeof *stamp)
        return false;
    memcpy(stamp, value, sizeof *stamp);
    return stamp->size == size &&
           stamp->checksum ==
               checksum(stamp, (const unsigned char *)value + sizeof *stamp, size - sizeof *stamp);
}
