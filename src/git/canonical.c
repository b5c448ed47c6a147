#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "git/repo.h"
#include "git/repo_internal.h"

static const char canonical_config[] = "[core]\n"
                                       "\trepositoryformatversion = 0\n"
                                       "\tfilemode = true\n"
                                       "\tbare = true\n"
                                       "[gc]\n"
                                       "\tauto = 0\n"
                                       "[maintenance]\n"
                                       "\tauto = false\n"
                                       "[repack]\n"
                                       "\twriteBitmaps = false\n";

static int write_text(int dirfd, const char *path, const char *text, struct err *err)
{
    return fd_write_file(dirfd, path, text, strlen(text), 0644, err);
}

/* The files of a bare repository, without templates or hooks. */
static int make_layout(const char *dir, const char *objects, const char *branch, struct err *err)
{
    static const char *const dirs[] = {"objects",    "objects/info", "objects/pack", "refs",
                                       "refs/heads", "refs/tags",    "info"};
    if (mkdir(dir, 0755) < 0)
        return err_errno(err, "create %s", dir);
    cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "open %s", dir);
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        if (mkdirat(fd, dirs[i], 0755) < 0)
            return err_errno(err, "create %s/%s", dir, dirs[i]);
    cleanup_free char *alternates = xasprintf("%s\n", objects);
    cleanup_free char *head = xasprintf("ref: refs/heads/%s\n", branch);
    int rc = write_text(fd, "objects/info/alternates", alternates, err);
    if (rc == 0)
        rc = write_text(fd, "config", canonical_config, err);
    if (rc == 0)
        rc = write_text(fd, "HEAD", head, err);
    return rc;
}

/* Commit that the session starts from; the empty root commit for an empty origin. */
static int first_commit(struct repo *origin, struct repo *canonical, const char *branch,
                        struct oid *out, struct err *err)
{
    struct err why = ERR_INIT;
    cleanup_free char *ref = branch ? xasprintf("refs/heads/%s", branch) : xstrdup("HEAD");
    int rc = repo_ref_read(origin, ref, out, &why);
    if (rc == 0)
        return 0;
    if (rc != ERR_NOT_FOUND || branch)
        return err_set(err, rc, "%s", why.msg);
    struct repo_person nobody = {.name = (char *)"SteadyState",
                                 .email = (char *)"steadystate@localhost",
                                 .when = (int64_t)time(NULL)};
    struct repo_commit root = {
        .author = nobody, .committer = nobody, .message = (char *)"Start of an empty repository\n"};
    rc = repo_write_tree(canonical, NULL, 0, &root.tree, err);
    return rc ? rc : repo_write_commit(canonical, &root, out, err);
}

static int fill(const char *dir, const char *repo_dir, const char *branch,
                const char *session_branch, struct oid *head, struct err *err)
{
    cleanup_repo struct repo *origin = NULL;
    cleanup_repo struct repo *canonical = NULL;
    cleanup_repo_commit struct repo_commit commit = {0};
    int rc = repo_open(repo_dir, &origin, err);
    if (rc == 0)
        rc = repo_open(dir, &canonical, err);
    if (rc == 0)
        rc = first_commit(origin, canonical, branch, head, err);
    if (rc == 0)
        rc = repo_read_commit(canonical, head, &commit, err);
    if (rc == 0)
        rc = repo_check_tree(canonical, &commit.tree, err);
    if (rc < 0)
        return rc;
    cleanup_free char *ref = xasprintf("refs/heads/%s", session_branch);
    return repo_ref_set(canonical, ref, head, "start of the session", err);
}

int repo_make_canonical(const char *repo_dir, const char *canonical_dir, const char *branch,
                        const char *session_branch, struct oid *head, struct err *err)
{
    cleanup_free char *ref = xasprintf("refs/heads/%s", session_branch);
    if (access(canonical_dir, F_OK) == 0) {
        cleanup_repo struct repo *there = NULL;
        int rc = repo_open(canonical_dir, &there, err);
        return rc ? rc : repo_ref_read(there, ref, head, err);
    }
    cleanup_free char *temp = xasprintf("%s.new", canonical_dir);
    cleanup_free char *objects = xasprintf("%s/objects", repo_dir);
    int rc = path_remove_tree(AT_FDCWD, temp, err);
    if (rc == 0)
        rc = make_layout(temp, objects, session_branch, err);
    if (rc == 0)
        rc = fill(temp, repo_dir, branch, session_branch, head, err);
    if (rc == 0 && rename(temp, canonical_dir) < 0)
        rc = err_errno(err, "rename %s", temp);
    if (rc < 0)
        path_remove_tree(AT_FDCWD, temp, NULL);
    return rc;
}
