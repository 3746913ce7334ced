/* SPDX-License-Identifier: Apache-2.0 */
/* Values that tell who wrote them, under which key and as which of the writer's writes, and
 * whether they are whole. */
#ifndef TEST_STAMP_H
#define TEST_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct test_stamp {
    uint64_t key;
    uint64_t writer;
    uint64_t sequence;
    int64_t time;      /* what the writer likes to add */
    uint64_t size;     /* of the whole value, this head included */
    uint64_t checksum; /* of the other fields and of what follows */
};

/* Fill `size` bytes at `value`, at least the head, so that the checksum holds. */
void test_stamp_write(void *value, size_t size, struct test_stamp stamp);
/* Read the head; false when the value is torn: size or checksum do not fit. */
bool test_stamp_read(const void *value, size_t size, struct test_stamp *stamp);

#endif
