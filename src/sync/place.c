#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "sync/sync.h"

void sync_place_release(struct sync_place *p)
{
    free(p->home);
    free(p->worktree);
    free(p->canonical);
    free(p->socket);
    free(p->session_id);
    free(p->login);
    free(p->provider);
    memset(p, 0, sizeof *p);
}

static const char *need(const char *name, struct err *err)
{
    const char *value = getenv(name);
    if (!value || !value[0])
        err_set(err, ERR_NOT_FOUND, "this is not inside a session (%s is not set)", name);
    return value;
}

int sync_place_from_env(struct sync_place *out, struct err *err)
{
    const char *root = need("REPO_ROOT", err);
    const char *worktree = root ? need("USER_WORKSPACE", err) : NULL;
    const char *canonical = worktree ? need("CANONICAL_REPO", err) : NULL;
    const char *id = canonical ? need("SESSION_ID", err) : NULL;
    const char *login = id ? need("STEADYSTATE_USERNAME", err) : NULL;
    const char *provider = getenv("STEADYSTATE_IDENTITY_PROVIDER");
    if (!login)
        return ERR_NOT_FOUND;
    /* <home>/.worktree/<repository>: the home is where the metadata is, whatever HOME says. */
    cleanup_free char *home = xstrdup(worktree);
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(home, '/');
        if (!slash || slash == home)
            return err_set(err, ERR_INVALID, "USER_WORKSPACE is not a worktree of a session");
        *slash = '\0';
    }
    *out = (struct sync_place){.home = steal(&home),
                               .worktree = xstrdup(worktree),
                               .canonical = xstrdup(canonical),
                               .socket = path_join(root, "agent.sock"),
                               .session_id = xstrdup(id),
                               .login = xstrdup(login),
                               .provider = provider ? xstrdup(provider) : NULL};
    return 0;
}
