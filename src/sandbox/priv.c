#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "sandbox/sandbox.h"

static int refuse(int errnum)
{
    errno = errnum;
    return -1;
}

static int clear_capability_sets(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0, 0, 0}};
    return syscall(SYS_capset, &header, data) == 0 ? 0 : -1;
}

static int capabilities_are_clear(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, data) != 0)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(data); i++) {
        if (data[i].effective | data[i].permitted | data[i].inheritable)
            return 0;
    }
    return 1;
}

/* Empties the bounding set as far as CAP_SETPCAP lets us; without it no_new_privs keeps exec from
 * giving anything back. */
static void drop_bounding_set(void)
{
    for (int cap = 0; cap <= 63; cap++) {
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
            return;
    }
}

int sandbox_drop_capabilities(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    drop_bounding_set();
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (clear_capability_sets() != 0)
        return -1;
    return capabilities_are_clear() ? 0 : refuse(EPERM);
}

static int ids_are(uid_t uid, gid_t gid)
{
    uid_t r, e, s;
    gid_t gr, ge, gs;
    if (getresuid(&r, &e, &s) != 0 || getresgid(&gr, &ge, &gs) != 0)
        return 0;
    return r == uid && e == uid && s == uid && gr == gid && ge == gid && gs == gid;
}

static int can_come_back(void)
{
    return setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0 || setgroups(0, NULL) == 0;
}

int sandbox_become(uid_t uid, gid_t gid)
{
    if (uid == 0 || gid == 0 || uid == (uid_t)-1 || gid == (gid_t)-1)
        return refuse(EINVAL);
    drop_bounding_set();
    if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
        return -1;
    if (sandbox_drop_capabilities() != 0)
        return -1;
    if (!ids_are(uid, gid) || getgroups(0, NULL) != 0 || can_come_back())
        return refuse(EPERM);
    return 0;
}

int sandbox_child_enter(void *payload)
{
    const struct sandbox_child *child = payload;
    int rc = child->uid == (uid_t)-1 ? sandbox_drop_capabilities()
                                     : sandbox_become(child->uid, child->gid);
    if (rc == 0 && child->filter)
        rc = sandbox_filter_install(child->filter);
    return rc;
}

int sandbox_kill_as(uid_t uid, gid_t gid, pid_t pid, int signo)
{
    pid_t child = fork();
    if (child < 0)
        return -1;
    if (child == 0) {
        if (sandbox_become(uid, gid) != 0)
            _exit(EPERM);
        _exit(kill(pid, signo) == 0 ? 0 : errno);
    }
    int status;
    pid_t got;
    do {
        got = waitpid(child, &status, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        return refuse(WEXITSTATUS(status));
    return 0;
}

int sandbox_hide(struct err *err)
{
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_errno(err, "PR_SET_DUMPABLE");
    return 0;
}
