#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "sandbox/sandbox.h"

/* Rights by the ABI that brought them (Documentation/userspace-api/landlock.rst); the header of
 * the build machine may be older than the kernel. */
#define FS_READ                                                            \
    ((uint64_t)LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | \
     LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_ABI_1 ((UINT64_C(1) << 13) - 1)
#define FS_REFER (UINT64_C(1) << 13)    /* ABI 2 */
#define FS_TRUNCATE (UINT64_C(1) << 14) /* ABI 3 */
/* What a rule on a file, not a directory, may name. */
#define FS_FILE                                                            \
    ((uint64_t)LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | \
     LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE)

int sandbox_landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi > 0 ? (int)abi : 0;
}

static uint64_t handled_rights(int abi)
{
    uint64_t rights = FS_ABI_1;
    if (abi >= 2)
        rights |= FS_REFER;
    if (abi >= 3)
        rights |= FS_TRUNCATE;
    return rights;
}

static int allow_path(int ruleset, const char *path, uint64_t rights, struct err *err)
{
    cleanup_close int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == EACCES ? 0 : err_errno(err, "%s", path);
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_errno(err, "%s", path);
    struct landlock_path_beneath_attr attr = {
        .allowed_access = S_ISDIR(st.st_mode) ? rights : rights & FS_FILE,
        .parent_fd = fd,
    };
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) != 0)
        return err_errno(err, "landlock rule for %s", path);
    return 0;
}

int sandbox_landlock(char *const *rw, size_t n_rw, char *const *ro, size_t n_ro, struct err *err)
{
    int abi = sandbox_landlock_abi();
    if (abi == 0)
        return err_set(err, ERR_UNSUPPORTED, "this kernel has no Landlock");
    uint64_t all = handled_rights(abi);
    struct landlock_ruleset_attr attr = {.handled_access_fs = all};
    cleanup_close int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (ruleset < 0)
        return err_errno(err, "landlock_create_ruleset");
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n_rw; i++)
        rc = allow_path(ruleset, rw[i], all & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE, err);
    for (size_t i = 0; rc == 0 && i < n_ro; i++)
        rc = allow_path(ruleset, ro[i], FS_READ, err);
    if (rc < 0)
        return rc;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_errno(err, "no_new_privs");
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        return err_errno(err, "landlock_restrict_self");
    return 0;
}
