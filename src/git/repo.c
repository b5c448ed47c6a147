#include "git/repo.h"

#include <git2.h>
#include <git2/sys/mempack.h>
#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "git/repo_internal.h"

#define REF_LOCK_TRIES 200 /* times 5 ms: git holds a ref's lock for far less */

/* Cheaper than anything on disk, so that it is asked first. */
#define MEMORY_PRIORITY 999

int repo_err(struct err *err, int rc, const char *fmt, ...)
{
    int code = ERR_FAILED;
    switch (rc) {
    case GIT_ENOTFOUND:
    case GIT_EUNBORNBRANCH:
        code = ERR_NOT_FOUND;
        break;
    case GIT_EEXISTS:
        code = ERR_EXISTS;
        break;
    case GIT_EMODIFIED:
        code = ERR_CONFLICT;
        break;
    case GIT_ELOCKED:
        code = ERR_TIMEOUT;
        break;
    case GIT_EINVALIDSPEC:
    case GIT_EINVALID:
        code = ERR_INVALID;
        break;
    default:
        break;
    }
    char what[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    const git_error *last = git_error_last();
    return err_set(err, code, "%s: %s", what, last && last->message ? last->message : "failed");
}

void cleanup_git_tree(git_tree **t)
{
    git_tree_free(*t);
}

void cleanup_git_commit(git_commit **c)
{
    git_commit_free(*c);
}

void cleanup_git_reference(git_reference **r)
{
    git_reference_free(*r);
}

void cleanup_git_signature(git_signature **s)
{
    git_signature_free(*s);
}

void cleanup_git_odb_object(git_odb_object **o)
{
    git_odb_object_free(*o);
}

/*
 * libgit2 as Debian builds it reads every certificate of the machine when it is initialised, for
 * connections that nothing here makes: 10 ms of each login and 700 KB of each process. It calls
 * this function of mbed TLS for it; ours, found first, says that there are none.
 */
int mbedtls_x509_crt_parse_file(void *chain, const char *path);
int mbedtls_x509_crt_parse_file(void *chain, const char *path)
{
    (void)chain;
    (void)path;
    return -1;
}

int repo_library_init(bool durable, struct err *err)
{
    if (git_libgit2_init() < 0)
        return repo_err(err, -1, "libgit2");
    static const int levels[] = {GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM,
                                 GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], "") < 0)
            return repo_err(err, -1, "libgit2 search path");
    /* Extensions that change nothing about objects and refs. */
    const char *extensions[] = {"worktreeconfig", "preciousobjects"};
    if (git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0) < 0 ||
        git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, durable ? 1 : 0) < 0 ||
        /* as git: content is hashed when it comes in, not at each read */
        git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0) < 0 ||
        git_libgit2_opts(GIT_OPT_SET_EXTENSIONS, extensions, (size_t)2) < 0)
        return repo_err(err, -1, "libgit2 options");
    return 0;
}

int repo_open(const char *git_dir, struct repo **out, struct err *err)
{
    struct repo *repo = xcalloc(1, sizeof *repo);
    int rc = git_repository_open_ext(
        &repo->git, git_dir, GIT_REPOSITORY_OPEN_NO_SEARCH | GIT_REPOSITORY_OPEN_NO_DOTGIT, NULL);
    if (rc == 0)
        rc = git_repository_odb(&repo->odb, repo->git);
    if (rc == 0)
        rc = git_repository_set_ident(repo->git, "SteadyState", "steadystate@localhost");
    if (rc < 0) {
        int code = repo_err(err, rc, "open repository %s", git_dir);
        repo_free(repo);
        return code;
    }
    *out = repo;
    return 0;
}

void repo_free(struct repo *repo)
{
    if (!repo)
        return;
    git_odb_free(repo->odb);
    git_repository_free(repo->git);
    free(repo);
}

void repo_freep(struct repo **repo)
{
    repo_free(*repo);
}

const char *repo_path(const struct repo *repo)
{
    return git_repository_path(repo->git);
}

int repo_use_memory(struct repo *repo, struct err *err)
{
    git_odb_backend *memory = NULL;
    int rc = git_mempack_new(&memory);
    if (rc == 0)
        rc = git_odb_add_backend(repo->odb, memory, MEMORY_PRIORITY);
    return rc < 0 ? repo_err(err, rc, "objects in memory") : 0;
}

/* --- refs ------------------------------------------------------------------------------------- */

int repo_ref_read(struct repo *repo, const char *ref, struct oid *out, struct err *err)
{
    git_oid oid;
    int rc = git_reference_name_to_id(&oid, repo->git, ref);
    if (rc < 0)
        return repo_err(err, rc, "%s", ref);
    *out = oid_of_git(&oid);
    return 0;
}

int repo_head_branch(struct repo *repo, char **out, struct err *err)
{
    cleanup(cleanup_git_reference) git_reference *head = NULL;
    *out = NULL;
    int rc = git_reference_lookup(&head, repo->git, "HEAD");
    if (rc < 0)
        return repo_err(err, rc, "HEAD");
    if (git_reference_type(head) == GIT_REFERENCE_SYMBOLIC)
        *out = xstrdup(git_reference_symbolic_target(head));
    return 0;
}

static void wait_for_lock(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

int repo_ref_cas(struct repo *repo, const char *ref, const struct oid *old, const struct oid *new_,
                 const char *why, struct err *err)
{
    static const git_oid none;
    int rc = GIT_ELOCKED;
    for (int i = 0; i < REF_LOCK_TRIES && rc == GIT_ELOCKED; i++) {
        if (i)
            wait_for_lock();
        cleanup(cleanup_git_reference) git_reference *made = NULL;
        rc = git_reference_create_matching(&made, repo->git, ref, oid_git(new_), old != NULL,
                                           old ? oid_git(old) : &none, why);
    }
    if (rc == GIT_EMODIFIED || rc == GIT_EEXISTS || (rc == GIT_ENOTFOUND && old))
        return err_set(err, ERR_CONFLICT, "%s is elsewhere by now", ref);
    return rc < 0 ? repo_err(err, rc, "move %s", ref) : 0;
}

int repo_ref_set(struct repo *repo, const char *ref, const struct oid *oid, const char *why,
                 struct err *err)
{
    int rc = GIT_ELOCKED;
    for (int i = 0; i < REF_LOCK_TRIES && rc == GIT_ELOCKED; i++) {
        if (i)
            wait_for_lock();
        cleanup(cleanup_git_reference) git_reference *made = NULL;
        rc = git_reference_create(&made, repo->git, ref, oid_git(oid), 1, why);
    }
    return rc < 0 ? repo_err(err, rc, "set %s", ref) : 0;
}

int repo_ref_delete(struct repo *repo, const char *ref, struct err *err)
{
    int rc = git_reference_remove(repo->git, ref);
    return rc < 0 && rc != GIT_ENOTFOUND ? repo_err(err, rc, "remove %s", ref) : 0;
}
