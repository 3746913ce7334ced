/* SPDX-License-Identifier: Apache-2.0 */
/* How a snapshot lies in its file; docs/design/snapshot-format.md is the same for people. All numbers
 * are little-endian.
 *
 *     | header 64 | block | block | ... | end block |
 *
 *     header   0 magic 8 | 8 version 4 | 12 flags 4 | 16 saved at 8 | 24 entries 8 | 32 blocks 8 |
 *              40 bytes of the file 8 | 48 reserved 8 | 56 checksum of the 56 before 8
 *     block    0 kind 1 | 1 encoding 1 | 2 heat 1 | 3 reserved 1 | 4 entries 4 | 8 size 4 |
 *              12 size as it lies in the file 4 | 16 number 8 | 24 checksum 8 | payload
 *     entry    0 expires at 8 | (created at 8) | (ttl 8) | key size 4 | value size 4 | key | value
 *     end      payload: 0 entries 8 | 8 blocks 8 | 16 bytes of payloads, unpacked 8 | 24 chain 8
 *
 * SN-1  A block's checksum is XXH3 of the payload as it lies in the file, seeded with XXH3 of the 24
 *       bytes before it. The chain is XXH3 of each block's checksum, seeded with the chain before it,
 *       0 at first.
 * SN-2  Every bit of a file counts: reserved fields are 0, payloads are entries and nothing else, the
 *       file ends with the end block, and all totals are right.
 * SN-3  A header with its checksum will look like this in all versions, so that an older reader can
 *       tell a newer file from a damaged one. */
#ifndef MS_SNAPSHOT_FORMAT_H
#define MS_SNAPSHOT_FORMAT_H

#include "util/hash.h"

#include <endian.h>
#include <string.h>

#define MS_SNAPSHOT_VERSION 1
/* The first byte is not text and the line ends are of both kinds: what a transfer as text breaks. */
#define MS_SNAPSHOT_MAGIC "\x89MSNAP\r\n"

#define MS_SNAPSHOT_HEADER_SIZE 64
#define MS_SNAPSHOT_BLOCK_HEAD_SIZE 32
#define MS_SNAPSHOT_END_SIZE 32

/* flags */
#define MS_SNAPSHOT_HAS_CREATED 1u
#define MS_SNAPSHOT_MAY_BE_PACKED 2u
#define MS_SNAPSHOT_HAS_TTL 4u
#define MS_SNAPSHOT_FLAGS                                                                          \
    (MS_SNAPSHOT_HAS_CREATED | MS_SNAPSHOT_MAY_BE_PACKED | MS_SNAPSHOT_HAS_TTL)

enum ms_snapshot_kind { MS_SNAPSHOT_ENTRIES = 1, MS_SNAPSHOT_END = 2 };
enum ms_snapshot_encoding { MS_SNAPSHOT_PLAIN, MS_SNAPSHOT_ZSTD };

/* Entries are put together by how much use they were of, the most in the highest. */
#define MS_SNAPSHOT_HEATS 8

/* Payload of a block, unpacked. A larger entry has a block of its own. */
#define MS_SNAPSHOT_BLOCK_SIZE ((size_t)256 << 10)
/* Blocks of such an entry are packed up to this size. */
#define MS_SNAPSHOT_PACKED_MOST ((size_t)16 << 20)

static inline void ms_put_u32(char *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, sizeof value);
}

static inline void ms_put_u64(char *at, uint64_t value)
{
    value = htole64(value);
    memcpy(at, &value, sizeof value);
}

static inline uint32_t ms_take_u32(const char *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

static inline uint64_t ms_take_u64(const char *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof value);
    return le64toh(value);
}

struct ms_snapshot_head {
    uint8_t kind;
    uint8_t encoding;
    uint8_t heat;
    uint32_t entries;
    uint32_t size;   /* of the payload, unpacked */
    uint32_t stored; /* of the payload, in the file */
    uint64_t number;
    uint64_t checksum;
};

static inline uint64_t ms_snapshot_chain(uint64_t chain, uint64_t checksum)
{
    char bytes[8];

    ms_put_u64(bytes, checksum);
    return XXH3_64bits_withSeed(bytes, sizeof bytes, chain);
}

/* What seeds the checksum of a block with this head. */
static inline uint64_t ms_snapshot_seed(const char head[MS_SNAPSHOT_BLOCK_HEAD_SIZE])
{
    return XXH3_64bits(head, MS_SNAPSHOT_BLOCK_HEAD_SIZE - 8);
}

/* Write a head, without its checksum. */
static inline void ms_snapshot_put_head(char *at, const struct ms_snapshot_head *head)
{
    at[0] = (char)head->kind;
    at[1] = (char)head->encoding;
    at[2] = (char)head->heat;
    at[3] = 0;
    ms_put_u32(at + 4, head->entries);
    ms_put_u32(at + 8, head->size);
    ms_put_u32(at + 12, head->stored);
    ms_put_u64(at + 16, head->number);
}

static inline void ms_snapshot_take_head(const char *at, struct ms_snapshot_head *head)
{
    head->kind = (uint8_t)at[0];
    head->encoding = (uint8_t)at[1];
    head->heat = (uint8_t)at[2];
    head->entries = ms_take_u32(at + 4);
    head->size = ms_take_u32(at + 8);
    head->stored = ms_take_u32(at + 12);
    head->number = ms_take_u64(at + 16);
    head->checksum = ms_take_u64(at + 24);
}

/* Bytes of an entry before its key, and the most that they may be. */
#define MS_SNAPSHOT_ENTRY_HEAD_MOST 32
static inline size_t ms_snapshot_entry_head(bool has_created, bool has_ttl)
{
    return 16 + (has_created ? 8 : 0) + (has_ttl ? 8 : 0);
}

/* An entry as it is written and read. */
struct ms_snapshot_entry {
    const char *key;
    const char *value;
    uint32_t key_size;
    uint32_t value_size;
    int64_t expires_at; /* Unix milliseconds, 0 = never */
    int64_t created_at; /* Unix milliseconds, where they are kept */
    int64_t ttl;        /* what reads renew the expiry by, likewise; 0 = they do not */
    unsigned heat;
};

#endif
