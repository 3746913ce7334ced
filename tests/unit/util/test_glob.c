/* SPDX-License-Identifier: Apache-2.0 */
#include "util/glob.h"

#include "unit/random.h"
#include "unit/util/naive_glob.h"

#include <criterion/criterion.h>
#include <memstore/status.h>
#include <stdlib.h>
#include <string.h>

struct pattern_case {
    const char *pattern;
    const char *text;
    bool matches;
};

static void check_cases(const struct pattern_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *const pattern = cases[i].pattern;
        const char *const text = cases[i].text;

        cr_expect_eq(ms_glob_validate(pattern, strlen(pattern)), MEMSTORE_OK,
                     "pattern '%s' is refused", pattern);
        cr_expect_eq(ms_glob_match(pattern, strlen(pattern), text, strlen(text)), cases[i].matches,
                     "pattern '%s' and text '%s'", pattern, text);
        cr_expect_eq(naive_glob(pattern, strlen(pattern), text, strlen(text)), cases[i].matches,
                     "the naive matcher: pattern '%s' and text '%s'", pattern, text);
    }
}

#define CHECK_CASES(...)                                                                           \
    do {                                                                                           \
        const struct pattern_case cases[] = {__VA_ARGS__};                                         \
        check_cases(cases, sizeof cases / sizeof cases[0]);                                        \
    } while (0)

Test(glob, a_plain_pattern_matches_itself_alone)
{
    CHECK_CASES({"abc", "abc", true}, {"abc", "ab", false}, {"abc", "abcd", false},
                {"abc", "xabc", false}, {"abc", "ABC", false}, {"a", "", false});
}

Test(glob, the_empty_pattern_matches_everything)
{
    CHECK_CASES({"", "", true}, {"", "a", true}, {"", "a/b/c", true});
    cr_assert(ms_glob_match(NULL, 0, NULL, 0));
    cr_assert_eq(ms_glob_validate(NULL, 0), MEMSTORE_OK);
}

Test(glob, a_star_matches_any_run_of_bytes)
{
    CHECK_CASES({"*", "", true}, {"*", "abc", true}, {"**", "", true}, {"**", "abc", true},
                {"a*", "a", true}, {"a*", "abc", true}, {"a*", "ba", false}, {"*c", "abc", true},
                {"*c", "abcd", false}, {"a*c", "ac", true}, {"a*c", "abbbc", true},
                {"a*c", "abbb", false}, {"a**c", "abc", true});
}

Test(glob, a_star_matches_across_slashes)
{
    CHECK_CASES({"block/*", "block/1/2/3", true}, {"*", "a/b", true}, {"a*z", "a/b/c/z", true},
                {"block/*/hash", "block/1/2/hash", true}, {"block/*", "block", false});
}

Test(glob, several_stars_find_the_one_way_that_fits)
{
    CHECK_CASES({"*ab*ab*", "abab", true}, {"*ab*ab*", "aab", false}, {"*aab", "aaab", true},
                {"*a*b*c*", "xxaxxbxxcxx", true}, {"*a*b*c*", "xxcxxbxxaxx", false},
                {"a*b*c", "abbbcbc", true}, {"*abac*c", "ababacabacc", true},
                {"a*bc*de", "abcbcdede", true}, {"a*bc*de", "abcbcded", false});
}

Test(glob, a_question_mark_matches_one_byte_whatever_it_is)
{
    CHECK_CASES({"?", "a", true}, {"?", "", false}, {"?", "ab", false}, {"a?c", "a/c", true},
                {"??", "ab", true}, {"*?", "", false}, {"*?", "a", true}, {"?*", "a", true},
                {"*??*", "a", false}, {"???*", "abcd", true});
}

Test(glob, a_set_matches_one_of_its_bytes)
{
    CHECK_CASES({"[abc]", "b", true}, {"[abc]", "d", false}, {"[abc]", "", false},
                {"[abc]", "ab", false}, {"x[0-9]y", "x5y", true}, {"x[0-9]y", "xay", false},
                {"[a-cx-z]", "y", true}, {"[a-cx-z]", "d", false}, {"[a-a]", "a", true},
                {"[*]", "*", true}, {"[*]", "a", false}, {"[?]", "?", true}, {"[?]", "a", false});
}

Test(glob, a_negated_set_matches_one_byte_outside_it)
{
    CHECK_CASES({"[^abc]", "d", true}, {"[^abc]", "a", false}, {"[^abc]", "", false},
                {"[!abc]", "d", true}, {"[!abc]", "b", false}, {"[^0-9]", "/", true},
                {"[^0-9]", "0", false}, {"[a^]", "^", true}, {"[a!]", "!", true},
                {"[^^]", "^", false}, {"[^^]", "a", true}, {"[!!]", "!", false});
}

Test(glob, a_hyphen_at_the_edge_of_a_set_stands_for_itself)
{
    CHECK_CASES({"[a-]", "-", true}, {"[a-]", "a", true}, {"[a-]", "b", false}, {"[-a]", "-", true},
                {"[-a]", "a", true}, {"[^-a]", "-", false}, {"[-]", "-", true},
                {"[a-c-]", "-", true}, {"[a-c-]", "d", false}, {"[--0]", ".", true});
}

Test(glob, a_backslash_takes_the_meaning_from_the_next_byte)
{
    CHECK_CASES({"\\*", "*", true}, {"\\*", "a", false}, {"\\?", "?", true}, {"\\?", "a", false},
                {"\\[a]", "[a]", true}, {"\\[a]", "a", false}, {"\\\\", "\\", true},
                {"\\a", "a", true}, {"a\\*b*", "a*bc", true}, {"a\\*b*", "aXbc", false},
                {"*\\*", "ab*", true}, {"*\\*", "ab", false});
}

Test(glob, a_backslash_works_inside_a_set)
{
    CHECK_CASES({"[\\]]", "]", true}, {"[\\]]", "\\", false}, {"[\\\\]", "\\", true},
                {"[a\\]b]", "]", true}, {"[a\\]b]", "b", true}, {"[\\^a]", "^", true},
                {"[\\^a]", "b", false}, {"[a\\-c]", "-", true}, {"[a\\-c]", "b", false},
                {"[\\a-\\c]", "b", true}, {"[[-\\]]", "\\", true}, {"[\\!]", "!", true});
}

Test(glob, a_closing_bracket_outside_a_set_is_a_byte)
{
    CHECK_CASES({"]", "]", true}, {"a]", "a]", true}, {"[a]]", "a]", true}, {"[a]]", "a", false});
}

Test(glob, malformed_patterns_are_refused)
{
    static const char *const malformed[] = {
        "[",    "a[",    "[a",     "[^",  "[!",     "[^a",        "[]",      "[^]",    "[!]",
        "[]a]", "[z-a]", "[b-a]",  "a\\", "\\",     "\\\\\\",     "[\\",     "[\\]",   "[a\\]",
        "[a-",  "[a-\\", "[a-\\]", "*[",  "[a]b[c", "[a-z][z-a]", "[a-\\A]", "abc*\\",
    };

    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        const char *const pattern = malformed[i];

        cr_expect_eq(ms_glob_validate(pattern, strlen(pattern)), MEMSTORE_ERR_INVALID_PATTERN,
                     "pattern '%s'", pattern);
        cr_expect_eq(naive_glob(pattern, strlen(pattern), "", 0), -1,
                     "the naive parser: pattern '%s'", pattern);
    }
}

Test(glob, bytes_of_any_value_can_be_matched)
{
    cr_assert(ms_glob_match("a\0b", 3, "a\0b", 3));
    cr_assert_not(ms_glob_match("a\0b", 3, "a\0c", 3));
    cr_assert(ms_glob_match("*\0", 2, "ab\0", 3));
    cr_assert(ms_glob_match("[\x80-\xff]", 5, "\xc3", 1));
    cr_assert_not(ms_glob_match("[\x80-\xff]", 5, "\x7f", 1));
    cr_assert(ms_glob_match("[^\0]", 4, "\xff", 1));
    cr_assert_not(ms_glob_match("[^\0]", 4, "\0", 1));
}

Test(glob, the_pattern_ends_where_its_size_says)
{
    cr_assert(ms_glob_match("ab*", 2, "ab", 2));
    cr_assert_not(ms_glob_match("ab*", 2, "abc", 3));
    cr_assert_eq(ms_glob_validate("a[b]", 3), MEMSTORE_ERR_INVALID_PATTERN);
}

/* Text of `size` times 'a'. */
static char *many_a(size_t size)
{
    char *const text = malloc(size);

    cr_assert_not_null(text);
    memset(text, 'a', size);
    return text;
}

/* With backtracking over every star this takes (65536 over 40) steps, which is to say for ever;
 * bounded by the product of the lengths it is 5 million. */
Test(glob, many_stars_over_a_long_text_take_no_more_than_linear_time_each, .timeout = 10)
{
    enum { STARS = 40, TEXT = 64 * 1024 };
    char pattern[2 * STARS + 2] = "";
    char *const text = many_a(TEXT);

    for (size_t i = 0; i < STARS; i++)
        memcpy(pattern + 2 * i, "*a", 2);
    cr_assert(ms_glob_match(pattern, 2 * STARS, text, TEXT));
    pattern[2 * STARS] = 'b';
    cr_assert_not(ms_glob_match(pattern, 2 * STARS + 1, text, TEXT));
    memset(pattern, '*', 2 * STARS);
    cr_assert_not(ms_glob_match(pattern, 2 * STARS + 1, text, TEXT));
    free(text);
}

Test(glob, the_worst_pattern_for_one_star_is_bounded_by_the_product_of_the_lengths, .timeout = 20)
{
    enum { PATTERN = 1000, TEXT = 64 * 1024 };
    char *const text = many_a(TEXT);
    char *const pattern = many_a(PATTERN);

    pattern[0] = '*';
    pattern[PATTERN - 1] = 'b';
    cr_assert_not(ms_glob_match(pattern, PATTERN, text, TEXT));
    free(pattern);
    free(text);
}

Test(glob, sets_and_question_marks_make_no_bomb_of_stars, .timeout = 10)
{
    static const char *const bombs[] = {
        "*[ab]*[ab]*[ab]*[ab]*[ab]*[ab]*[ab]*[ab]*[ab]*[ab]*[ab]*[ab]*[c]",
        "*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*b",
        "a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*\\b",
        "*a?*a?*a?*a?*a?*a?*a?*a?*a?*a?*a?*a?*a?*a?*a?*a?*a?*a?*a?[^a]",
    };
    char *const text = many_a(64 * 1024);

    for (size_t i = 0; i < sizeof bombs / sizeof bombs[0]; i++)
        cr_expect_not(ms_glob_match(bombs[i], strlen(bombs[i]), text, 64 * 1024), "pattern '%s'",
                      bombs[i]);
    free(text);
}

/* Few different bytes, so that patterns and texts meet often. */
static size_t random_bytes(struct unit_random *random, const char *alphabet, size_t longest,
                           char *out)
{
    const size_t size = unit_random_below(random, longest + 1);

    for (size_t i = 0; i < size; i++)
        out[i] = alphabet[unit_random_below(random, strlen(alphabet))];
    return size;
}

Test(glob, agrees_with_a_naive_matcher_on_random_patterns, .timeout = 60)
{
    enum { ROUNDS = 300000, LONGEST = 14 };
    struct unit_random random = unit_random_start("glob");
    unsigned matching = 0, malformed = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        char pattern[LONGEST], text[LONGEST];
        const size_t pattern_size = random_bytes(&random, "aabbc**?[]^-\\!", LONGEST, pattern);
        const size_t text_size = random_bytes(&random, "aaabbc]-^", LONGEST, text);
        const int expected = naive_glob(pattern, pattern_size, text, text_size);

        cr_assert_eq(ms_glob_validate(pattern, pattern_size) == MEMSTORE_OK, expected >= 0,
                     "round %u: validity of '%.*s'", round, (int)pattern_size, pattern);
        if (expected >= 0)
            cr_assert_eq(ms_glob_match(pattern, pattern_size, text, text_size), expected == 1,
                         "round %u: pattern '%.*s' and text '%.*s'", round, (int)pattern_size,
                         pattern, (int)text_size, text);
        matching += expected == 1;
        malformed += expected < 0;
    }
    /* The comparison means something only when each outcome occurs. */
    cr_assert_gt(matching, ROUNDS / 100);
    cr_assert_gt(malformed, ROUNDS / 100);
    cr_assert_lt(matching + malformed, ROUNDS - ROUNDS / 100);
}
