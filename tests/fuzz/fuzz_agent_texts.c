/* Files that the agent reads back or takes from the kernel: accounts.json, /proc/<pid>/stat and
 * status, cgroup limits, uid_map, and the wrapper's command line. The first byte chooses. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/accounts.h"
#include "agent/procfs.h"
#include "agent/protect.h"
#include "base/mem.h"
#include "proto/spec.h"
#include "sandbox/sandbox.h"
#include "wrapper/args.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_accounts(const char *text, size_t len)
{
    struct accounts a, b;
    accounts_init(&a);
    accounts_init(&b);
    if (accounts_parse(&a, text, len, NULL) == 0) {
        cleanup_str struct str again = STR_INIT;
        accounts_print(&a, &again);
        BUG_ON(accounts_parse(&b, again.p, again.len, NULL) != 0 || a.len != b.len);
        for (size_t i = 0; i < a.len; i++)
            BUG_ON(a.v[i].uid < SPEC_FIRST_USER_UID || !account_name_is_valid(a.v[i].name));
    }
    accounts_release(&a);
    accounts_release(&b);
}

/* Any login gets a valid name that nobody else has. */
static void fuzz_names(const char *text, size_t len)
{
    struct accounts a;
    cleanup_free char *copy = xstrndup(text, len);
    cleanup_strv struct strv words = STRV_INIT;
    accounts_init(&a);
    accounts_take_system_names(&a, "root:x:0\nbin:x:1\n", 17);
    strv_split(&words, copy, " ");
    for (size_t i = 0; i + 1 < words.len && i < 64; i++) {
        const struct account *account;
        bool made;
        if (accounts_give(&a, words.v[i + 1], words.v[i], &account, &made, NULL) < 0)
            continue;
        BUG_ON(!account_name_is_valid(account->name) || strcmp(account->name, "root") == 0);
        for (size_t j = 0; j + 1 < a.len; j++)
            BUG_ON(made && strcmp(a.v[j].name, a.v[a.len - 1].name) == 0);
    }
    accounts_release(&a);
}

static void fuzz_wrapper(const char *text, size_t len)
{
    char name[] = "w", option[] = "-c";
    cleanup_free char *command = xstrndup(text, len);
    char *argv[] = {name, option, command, NULL};
    struct wrapper_args args;
    if (wrapper_args_parse(3, argv, &args, NULL) == 0) {
        BUG_ON(!spec_login_is_valid(args.login) || !spec_provider_is_valid(args.provider));
        BUG_ON(args.root[0] != '/');
        wrapper_args_release(&args);
    }
    (void)wrapper_kind_of(command);
    (void)wrapper_keeps_variable(command);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proc_stat stat;
    struct sandbox_status status;
    uint64_t number;
    if (size == 0)
        return 0;
    const char *text = (const char *)data + 1;
    size_t len = size - 1;
    switch (data[0] % 7) {
    case 0:
        fuzz_accounts(text, len);
        break;
    case 1:
        fuzz_names(text, len);
        break;
    case 2:
        (void)proc_stat_parse(text, len, &stat, NULL);
        break;
    case 3:
        (void)sandbox_status_parse(text, len, &status, NULL);
        break;
    case 4:
        (void)protect_parse_limit(text, len, &number, NULL);
        (void)protect_parse_cpu_max(text, len, &number, NULL);
        break;
    case 5:
        (void)protect_uid_map_is_private(text, len);
        break;
    default:
        fuzz_wrapper(text, len);
        break;
    }
    return 0;
}
