/* A session's repositories and worktrees in a fixture's directory, without an agent. */
#ifndef WORKTREE_FIXTURE_H
#define WORKTREE_FIXTURE_H

#include "../git/git_fixture.h"
#include "sync/worktree.h"

#define HELPER static __attribute__((unused))

/* origin from what the script makes in it, its bare clone, canonical with the branch s/x, and two
 * homes. */
HELPER void make_canonical(const struct fixture *f, const char *script)
{
    struct oid head;
    struct err err = ERR_INIT;
    cleanup_free char *all =
        xasprintf("git init -q origin; cd origin; %s; git add .; git commit -qm start; cd ..;"
                  "git clone -q --bare origin repo; mkdir home home2",
                  script);
    free(sh(f, all));
    cleanup_free char *repo = in(f, "repo");
    cleanup_free char *canonical = in(f, "canonical");
    if (repo_make_canonical(repo, canonical, NULL, "s/x", &head, &err) < 0)
        fail_msg("%s", err.msg);
}

HELPER int prepare(const struct fixture *f, const char *home_name, bool *made, struct err *err)
{
    cleanup_free char *home = in(f, home_name);
    cleanup_free char *canonical = in(f, "canonical");
    struct worktree_opts opts = {.home = home,
                                 .repo_name = "proj",
                                 .canonical = canonical,
                                 .session_id = "abc",
                                 .session_branch = "s/x",
                                 .author_name = "Ada \"the\" First",
                                 .author_email = "ada@example.org",
                                 .threads = 4};
    setenv("HOME", home, 1);
    return worktree_prepare(&opts, made, err);
}

HELPER void must_prepare(const struct fixture *f, const char *home_name, bool wanted)
{
    bool made;
    struct err err = ERR_INIT;
    if (prepare(f, home_name, &made, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(made, wanted);
}

#endif
