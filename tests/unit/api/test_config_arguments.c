/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <memstore/memstore.h>

Test(config_arguments, null_is_refused_by_set)
{
    memstore_config *const config = memstore_config_new();

    cr_assert_eq(memstore_config_set(NULL, "shards", "1"), MEMSTORE_ERR_INVALID_ARGUMENT);
    cr_assert_eq(memstore_config_set(config, NULL, "1"), MEMSTORE_ERR_INVALID_ARGUMENT);
    cr_assert_str_eq(memstore_config_error(config), "the key is NULL");
    cr_assert_eq(memstore_config_set(config, "shards", NULL), MEMSTORE_ERR_INVALID_ARGUMENT);
    cr_assert_str_eq(memstore_config_error(config), "the value is NULL");
    memstore_config_free(config);
}

Test(config_arguments, null_is_refused_by_get)
{
    memstore_config *const config = memstore_config_new();
    char buf[32];
    size_t size = 0;

    cr_assert_eq(memstore_config_get(NULL, "shards", buf, sizeof buf, &size),
                 MEMSTORE_ERR_INVALID_ARGUMENT);
    cr_assert_eq(memstore_config_get(config, NULL, buf, sizeof buf, &size),
                 MEMSTORE_ERR_INVALID_ARGUMENT);
    cr_assert_eq(memstore_config_get(config, "shards", NULL, 1, &size),
                 MEMSTORE_ERR_INVALID_ARGUMENT);
    cr_assert_eq(size, 0);
    memstore_config_free(config);
}

Test(config_arguments, the_size_of_a_text_can_be_asked_for_without_a_buffer)
{
    memstore_config *const config = memstore_config_new();
    size_t size = 0;

    cr_assert_eq(memstore_config_get(config, "shards", NULL, 0, &size),
                 MEMSTORE_ERR_BUFFER_TOO_SMALL);
    cr_assert_eq(size, 4);
    memstore_config_free(config);
}

Test(config_arguments, no_configuration_can_be_freed_and_has_no_error)
{
    memstore_config_free(NULL);
    cr_assert_str_eq(memstore_config_error(NULL), "");
}
