#include "sandbox/policy.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

#define ANY UINT64_MAX
#define RULE(call, err, n, ...) {#call, err, n, {__VA_ARGS__}},
#define ALLOW(call) RULE(call, 0, 0, {0, 0, 0})
#define ALLOW_IF(call, i, v) RULE(call, 0, 1, {i, ANY, v})
#define ALLOW_IF2(call, i, v, j, w) RULE(call, 0, 2, {i, ANY, v}, {j, ANY, w})
#define ALLOW_MASK(call, i, m, v) RULE(call, 0, 1, {i, m, v})
#define ALLOW_MASK2(call, i, m, v, j, n, w) RULE(call, 0, 2, {i, m, v}, {j, n, w})
#define ERRNO(call, e) RULE(call, e, 0, {0, 0, 0})
#define ERRNO_IF2(call, i, v, j, w, e) RULE(call, e, 2, {i, ANY, v}, {j, ANY, w})

static const struct policy_rule session_rules[] = {
#include "../../policy/session.policy"
};
static const struct policy_rule api_rules[] = {
#include "../../policy/api.policy"
};
static const struct policy_rule keeper_rules[] = {
#include "../../policy/keeper.policy"
};
static const struct policy_rule git_transport_rules[] = {
#include "../../policy/git_transport.policy"
};
static const struct policy_rule pack_import_rules[] = {
#include "../../policy/pack_import.policy"
};

#define POLICY(name, err, rules)           \
    {                                      \
        name, err, rules, ARRAY_LEN(rules) \
    }

/* A session answers ENOSYS, so that libraries take their older path; our own programs are told
 * that they may not. */
static const struct policy policies[] = {
    [SANDBOX_SESSION] = POLICY("session", ENOSYS, session_rules),
    [SANDBOX_API] = POLICY("api", EPERM, api_rules),
    [SANDBOX_KEEPER] = POLICY("keeper", EPERM, keeper_rules),
    [SANDBOX_GIT_TRANSPORT] = POLICY("git-transport", EPERM, git_transport_rules),
    [SANDBOX_PACK_IMPORT] = POLICY("pack-import", EPERM, pack_import_rules),
};

const struct policy *policy_of(enum sandbox_policy which)
{
    BUG_ON((size_t)which >= ARRAY_LEN(policies));
    return &policies[which];
}

const char *sandbox_policy_name(enum sandbox_policy policy)
{
    return policy_of(policy)->name;
}

int sandbox_policy_find(const char *name, enum sandbox_policy *out, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        if (strcmp(policies[i].name, name) == 0) {
            *out = (enum sandbox_policy)i;
            return 0;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "no seccomp policy has that name");
}
