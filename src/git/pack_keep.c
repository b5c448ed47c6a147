/* Maintenance and archives: whole repositories, by the git command. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "git/pack.h"
#include "git/run.h"

static int count_packs(const char *repo_dir, size_t *out, struct err *err)
{
    cleanup_free char *path = xasprintf("%s/objects/pack", repo_dir);
    DIR *dir = opendir(path);
    if (!dir)
        return err_errno(err, "open %s", path);
    struct dirent *e;
    *out = 0;
    while ((e = readdir(dir)))
        *out += str_ends_with(e->d_name, ".pack");
    closedir(dir);
    return 0;
}

int pack_fold(const char *repo_dir, bool *folded, struct err *err)
{
    size_t n = 0;
    if (folded)
        *folded = false;
    int rc = count_packs(repo_dir, &n, err);
    if (rc < 0 || n <= PACK_FOLD_AT)
        return rc;
    /* -l: what is borrowed stays where it is. */
    const char *args[] = {"repack",      "-a", "-d", "-l", "-q", "--keep-unreachable",
                          "--threads=1", NULL};
    struct git_run run = {.kind = GIT_RUN_OWN, .git_dir = repo_dir, .args = args};
    rc = git_run(&run, NULL, err);
    if (rc == 0 && folded)
        *folded = true;
    return rc;
}

int pack_bundle(const char *repo_dir, char *const *refs, size_t n_refs, char *const *not_refs,
                size_t n_not_refs, int fd, struct err *err)
{
    cleanup_strv struct strv args = STRV_INIT;
    struct oid oid;
    bool any = false;
    cleanup_repo struct repo *repo = NULL;
    int rc = repo_open(repo_dir, &repo, err);
    strv_pushl(&args, "bundle", "create", "-q", "-", NULL);
    for (size_t i = 0; rc == 0 && i < n_refs; i++) {
        rc = repo_ref_read(repo, refs[i], &oid, err);
        struct oid reached;
        bool known = false;
        for (size_t k = 0; rc == 0 && k < n_not_refs && !known; k++) {
            rc = repo_ref_read(repo, not_refs[k], &reached, err);
            if (rc == 0)
                known = repo_is_ancestor(repo, &oid, &reached, NULL) == 1;
        }
        any |= !known;
        strv_push(&args, refs[i]);
    }
    for (size_t i = 0; i < n_not_refs; i++)
        strv_pushf(&args, "^%s", not_refs[i]);
    if (rc < 0)
        return rc;
    if (!any)
        return err_set(err, ERR_NOT_FOUND, "nothing that is not published");
    struct git_run run = {
        .kind = GIT_RUN_OWN, .git_dir = repo_dir, .args = (const char *const *)args.v};
    return git_run_to_fd(&run, fd, err);
}
