#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/policy.h"

#define FILTER_BYTES_MAX (BPF_MAXINSNS * sizeof(struct sock_filter))

struct sandbox_filter {
    struct sock_fprog prog;
};

static void release_ctx(scmp_filter_ctx *ctx)
{
    if (*ctx)
        seccomp_release(*ctx);
}

static int add_rule(scmp_filter_ctx ctx, const struct policy_rule *rule, struct err *err)
{
    int number = seccomp_syscall_resolve_name(rule->name);
    /* Negative: another architecture's call, or newer than this libseccomp. */
    if (number < 0)
        return 0;
    struct scmp_arg_cmp args[POLICY_ARGS_MAX];
    for (size_t i = 0; i < rule->n_args; i++)
        args[i] = (struct scmp_arg_cmp){rule->args[i].index, SCMP_CMP_MASKED_EQ, rule->args[i].mask,
                                        rule->args[i].value};
    uint32_t action =
        rule->refuse_errno ? SCMP_ACT_ERRNO((uint32_t)rule->refuse_errno) : SCMP_ACT_ALLOW;
    int rc = seccomp_rule_add_array(ctx, action, number, (unsigned)rule->n_args, args);
    if (rc == -EACCES) /* the default says the same */
        return 0;
    if (rc < 0) {
        errno = -rc;
        return err_errno(err, "seccomp rule for %s", rule->name);
    }
    return 0;
}

static int build(const struct policy *policy, scmp_filter_ctx *out, struct err *err)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO((uint32_t)policy->default_errno));
    if (!ctx)
        return err_set(err, ERR_FAILED, "seccomp filter cannot be made");
    *out = ctx;
    /* Another architecture's calls (32-bit on x86_64) have other numbers: no back door. */
    int rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (rc == 0)
        rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (rc < 0) {
        errno = -rc;
        return err_errno(err, "seccomp filter");
    }
    for (size_t i = 0; i < policy->n_rules; i++) {
        rc = add_rule(ctx, &policy->rules[i], err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int export_program(scmp_filter_ctx ctx, struct str *out, struct err *err)
{
    cleanup_close int fd = memfd_create("seccomp", MFD_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "memfd_create");
    int rc = seccomp_export_bpf(ctx, fd);
    if (rc < 0) {
        errno = -rc;
        return err_errno(err, "seccomp program");
    }
    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_errno(err, "seccomp program");
    return fd_read_all(fd, FILTER_BYTES_MAX, out, err);
}

static int make_filter(scmp_filter_ctx ctx, struct sandbox_filter **out, struct err *err)
{
    struct str code = STR_INIT;
    int rc = export_program(ctx, &code, err);
    if (rc < 0) {
        str_release(&code);
        return rc;
    }
    struct sandbox_filter *filter = xcalloc(1, sizeof *filter);
    filter->prog.len = (unsigned short)(code.len / sizeof(struct sock_filter));
    filter->prog.filter = (struct sock_filter *)(void *)str_detach(&code);
    *out = filter;
    return 0;
}

int sandbox_filter_new(enum sandbox_policy policy, struct sandbox_filter **out, struct err *err)
{
    cleanup(release_ctx) scmp_filter_ctx ctx = NULL;
    int rc = build(policy_of(policy), &ctx, err);
    return rc < 0 ? rc : make_filter(ctx, out, err);
}

int sandbox_filter_new_tty(gid_t tty, struct sandbox_filter **out, struct err *err)
{
    static const struct {
        const char *name;
        unsigned group_arg;
    } calls[] = {{"chown", 2}, {"fchown", 2}, {"fchownat", 3}};
    cleanup(release_ctx) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    if (!ctx)
        return err_set(err, ERR_FAILED, "seccomp filter cannot be made");
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        int number = seccomp_syscall_resolve_name(calls[i].name);
        if (number < 0)
            continue;
        struct scmp_arg_cmp group = {calls[i].group_arg, SCMP_CMP_MASKED_EQ, UINT32_MAX, tty};
        int rc = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EROFS), number, 1, &group);
        if (rc < 0) {
            errno = -rc;
            return err_errno(err, "seccomp rule for %s", calls[i].name);
        }
    }
    return make_filter(ctx, out, err);
}

void sandbox_filter_free(struct sandbox_filter *filter)
{
    if (!filter)
        return;
    free(filter->prog.filter);
    free(filter);
}

void sandbox_filter_freep(struct sandbox_filter **filter)
{
    sandbox_filter_free(*filter);
}

static int install(const struct sandbox_filter *filter, unsigned flags)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter->prog) == 0 ? 0 : -1;
}

int sandbox_filter_install(const struct sandbox_filter *filter)
{
    return install(filter, 0);
}

int sandbox_load(enum sandbox_policy policy, struct err *err)
{
    cleanup_sandbox_filter struct sandbox_filter *filter = NULL;
    int rc = sandbox_filter_new(policy, &filter, err);
    if (rc < 0)
        return rc;
    if (install(filter, SECCOMP_FILTER_FLAG_TSYNC) != 0)
        return err_errno(err, "seccomp policy %s", sandbox_policy_name(policy));
    return 0;
}
