/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/stock.h"

#include <criterion/criterion.h>

#include <string.h>

static struct aro_stock stock;
static struct aro_entry entries[ARO_STOCK_DEPTH];

Test(stock, the_class_is_the_smallest_that_holds_the_chunk)
{
    static const struct {
        uint32_t len_bytes;
        unsigned size_class;
    } cases[] = {{1, 0},     {4096, 0},  {4097, 1},   {8192, 1},          {8193, 2},
                 {65536, 4}, {65537, 5}, {131072, 5}, {(1 << 20) - 1, 8}, {1 << 20, 8}};

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_eq(aro_stock_class(cases[i].len_bytes), cases[i].size_class, "%u",
                     cases[i].len_bytes);
    for (uint32_t len = 1; len <= ARO_CHUNK_BYTES_MAX; len += 777) {
        unsigned size_class = aro_stock_class(len);
        cr_assert_geq(aro_stock_class_bytes(size_class), len);
        cr_assert(size_class == 0 || aro_stock_class_bytes(size_class - 1) < len);
    }
}

Test(stock, gives_entries_in_order_around_the_ring)
{
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < ARO_STOCK_DEPTH; i++)
            aro_stock_fill(&stock, &entries[i]);
        cr_assert_eq(aro_stock_count(&stock), (unsigned)ARO_STOCK_DEPTH);
        for (unsigned i = 0; i < ARO_STOCK_DEPTH; i++)
            cr_assert_eq(i % 2 ? aro_stock_take(&stock) : aro_stock_take_back(&stock), &entries[i]);
        cr_assert_null(aro_stock_take_back(&stock));
    }
    cr_assert_eq(atomic_load(&stock.missed), 0u);
    cr_assert_null(aro_stock_take(&stock));
    cr_assert_eq(atomic_load(&stock.missed), 1u);
}

Test(stock, a_class_never_asked_for_starts_small_or_empty)
{
    uint32_t bytes = 0;

    for (unsigned c = 0; c < ARO_STOCK_CLASSES; c++) {
        memset(&stock, 0, sizeof(stock));
        aro_stock_init(&stock, c);
        bytes += stock.target * aro_stock_class_bytes(c);
        for (unsigned i = 0; i < 10 * ARO_STOCK_PERIOD; i++)
            aro_stock_observe(&stock);
        cr_assert_eq(stock.target, stock.floor);
    }
    cr_assert_leq(bytes, 320u << 10);
}

Test(stock, the_target_doubles_when_asked_in_vain_and_stops_at_the_ring)
{
    aro_stock_init(&stock, ARO_STOCK_CLASSES - 1);
    cr_assert_eq(stock.target, 0u);
    for (uint32_t expected = 1; expected <= ARO_STOCK_DEPTH; expected *= 2) {
        aro_stock_take(&stock);
        aro_stock_observe(&stock);
        cr_assert_eq(stock.target, expected);
    }
    aro_stock_take(&stock);
    aro_stock_observe(&stock);
    cr_assert_eq(stock.target, (uint32_t)ARO_STOCK_DEPTH);
}

/* Looks, with so many taken at once before every hundredth. */
static void use(unsigned looks, unsigned at_once)
{
    for (unsigned i = 0; i < looks; i++) {
        for (unsigned n = 0; i % 100 == 0 && n < at_once; n++) {
            aro_stock_fill(&stock, &entries[0]);
            aro_stock_take(&stock);
        }
        aro_stock_observe(&stock);
    }
}

Test(stock, the_target_halves_when_for_long_no_more_than_a_quarter_was_used)
{
    aro_stock_init(&stock, 4);
    stock.target = 16;
    use(3 * ARO_STOCK_PERIOD, 5);
    cr_assert_eq(stock.target, 16u);
    use(ARO_STOCK_PERIOD, 4);
    cr_assert_eq(stock.target, 8u);
    use(9 * ARO_STOCK_PERIOD, 0);
    cr_assert_eq(stock.target, stock.floor);
}

Test(stock, a_miss_counts_as_much_use)
{
    aro_stock_init(&stock, 4);
    stock.target = 16;
    aro_stock_take(&stock);
    aro_stock_observe(&stock);
    cr_assert_eq(stock.target, 32u);
    use(ARO_STOCK_PERIOD - 1, 0);
    cr_assert_eq(stock.target, 32u);
    use(ARO_STOCK_PERIOD, 0);
    cr_assert_eq(stock.target, 16u);
}
