/* What people type at a shared terminal, whole and in pieces, and roles.json. The first byte
 * chooses. */
#include <stddef.h>
#include <stdint.h>

#include "agent/roles.h"
#include "agent/typing.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_typing(const uint8_t *data, size_t size)
{
    struct typing whole = {0}, pieces = {0};
    struct typing_seen seen = typing_scan(&whole, data, size);
    struct typing_seen sum = {0};
    for (size_t i = 0; i < size; i++) {
        struct typing_seen one = typing_scan(&pieces, data + i, 1);
        sum.typed |= one.typed;
        sum.enter |= one.enter;
        sum.detach |= one.detach;
        sum.yes |= one.yes;
    }
    BUG_ON(seen.typed != sum.typed || seen.enter != sum.enter || seen.detach != sum.detach ||
           seen.yes != sum.yes || (seen.enter && !seen.typed));
}

static void fuzz_roles(const char *text, size_t len)
{
    struct roles a = {0}, b = {0};
    if (roles_parse(&a, text, len, NULL) == 0) {
        cleanup_str struct str again = STR_INIT;
        roles_print(&a, &again);
        BUG_ON(roles_parse(&b, again.p, again.len, NULL) != 0 || a.len != b.len);
    }
    roles_release(&a);
    roles_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] & 1)
        fuzz_typing(data + 1, size - 1);
    else
        fuzz_roles((const char *)data + 1, size - 1);
    return 0;
}
