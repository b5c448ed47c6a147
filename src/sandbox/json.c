/* The engines' form of a policy: what runc and crun call the linux.seccomp object, with the names
 * that Docker gave its members. */
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "sandbox/policy.h"

static struct json_object *arg_json(const struct policy_arg *arg)
{
    struct json_object *o = json_object_new_object();
    bool plain = arg->mask == UINT64_MAX;
    json_add_i64(o, "index", arg->index);
    /* MASKED_EQ: value is the mask, valueTwo what must be left. */
    json_add_i64(o, "value", (int64_t)(plain ? arg->value : arg->mask));
    json_add_i64(o, "valueTwo", (int64_t)(plain ? 0 : arg->value));
    json_add_str(o, "op", plain ? "SCMP_CMP_EQ" : "SCMP_CMP_MASKED_EQ");
    return o;
}

static struct json_object *rule_json(const struct policy_rule *rule)
{
    struct json_object *o = json_object_new_object();
    struct json_object *names = json_object_new_array();
    json_object_array_add(names, json_object_new_string(rule->name));
    json_add(o, "names", names);
    json_add_str(o, "action", rule->refuse_errno ? "SCMP_ACT_ERRNO" : "SCMP_ACT_ALLOW");
    if (rule->refuse_errno)
        json_add_i64(o, "errnoRet", rule->refuse_errno);
    struct json_object *args = json_object_new_array();
    for (size_t i = 0; i < rule->n_args; i++)
        json_object_array_add(args, arg_json(&rule->args[i]));
    json_add(o, "args", args);
    return o;
}

static struct json_object *arch_json(const char *name)
{
    struct json_object *o = json_object_new_object();
    json_add_str(o, "architecture", name);
    json_add(o, "subArchitectures", json_object_new_array());
    return o;
}

void sandbox_policy_json(enum sandbox_policy which, struct str *out)
{
    const struct policy *policy = policy_of(which);
    cleanup_json struct json_object *o = json_object_new_object();
    json_add_str(o, "defaultAction", "SCMP_ACT_ERRNO");
    json_add_i64(o, "defaultErrnoRet", policy->default_errno);
    struct json_object *archs = json_object_new_array();
    json_object_array_add(archs, arch_json("SCMP_ARCH_X86_64"));
    json_object_array_add(archs, arch_json("SCMP_ARCH_AARCH64"));
    json_add(o, "archMap", archs);

    /* Calls without a condition share one rule: engines compile one long list faster. */
    struct json_object *calls = json_object_new_array();
    struct json_object *plain = NULL;
    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct policy_rule *rule = &policy->rules[i];
        struct json_object *names = NULL;
        if (plain && rule->n_args == 0 && rule->refuse_errno == 0 &&
            json_object_object_get_ex(plain, "names", &names)) {
            json_object_array_add(names, json_object_new_string(rule->name));
            continue;
        }
        struct json_object *r = rule_json(rule);
        if (rule->n_args == 0 && rule->refuse_errno == 0)
            plain = r;
        json_object_array_add(calls, r);
    }
    json_add(o, "syscalls", calls);
    json_print(o, out);
}
