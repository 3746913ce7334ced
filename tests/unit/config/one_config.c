/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/config/one_config.h"

#include <criterion/criterion.h>

memstore_config *config;

void create_config(void)
{
    config = ms_config_create();
    cr_assert_not_null(config);
}

void destroy_config(void)
{
    ms_config_destroy(config);
}
