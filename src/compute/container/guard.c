#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/proc.h"
#include "compute/container/container.h"

#define GUARD_TIMEOUT_MS 10000
#define GUARD_OUTPUT_MAX 16384
#define CHAIN_INPUT "STEADYSTATE-INPUT"
#define CHAIN_FORWARD "STEADYSTATE-FWD"
#define SESSIONS CONTAINER_BRIDGE_PREFIX "+"

/* Runs `<tool> -w 5 <words of line>`; *status is its exit code. */
static int tables(const char *tool, const char *line, int *status, struct err *err)
{
    cleanup_strv struct strv argv = STRV_INIT;
    strv_pushl(&argv, tool, "-w", "5", NULL);
    strv_split(&argv, line, " ");
    static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    char *const envp[] = {path, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = tool;
    spec.argv = argv.v;
    spec.envp = envp;
    cleanup_proc_result struct proc_result result = {0};
    int rc = proc_run(&spec, NULL, 0, GUARD_OUTPUT_MAX, GUARD_TIMEOUT_MS, &result, err);
    if (rc < 0)
        return rc;
    *status = result.status;
    if (result.status != 0 && err) {
        size_t n = strcspn(result.errs.p, "\n");
        result.errs.p[n < result.errs.len ? n : result.errs.len] = '\0';
        err_set(err, ERR_UNSUPPORTED, "%s: %s", tool, result.errs.p);
    }
    return 0;
}

/* One that has to work. */
static int must(const char *tool, const char *line, struct err *err)
{
    int status = 0;
    int rc = tables(tool, line, &status, err);
    if (rc < 0)
        return rc;
    return status ? err->code : 0;
}

static int has(const char *tool, const char *line, bool *yes, struct err *err)
{
    int status = 0;
    int rc = tables(tool, line, &status, NULL);
    *yes = rc == 0 && status == 0;
    return rc < 0 ? err_set(err, ERR_UNSUPPORTED, "%s cannot be run", tool) : 0;
}

/* A chain with these rules, reached from `from` by what comes from a session. A chain that is there
 * is filled anew, so that an older version's rules do not stay. */
static int install(const char *tool, const char *chain, const char *from, const char *const *rules,
                   struct err *err)
{
    cleanup_free char *list = xasprintf("-n -L %s", chain);
    cleanup_free char *make = xasprintf("-N %s", chain);
    cleanup_free char *flush = xasprintf("-F %s", chain);
    cleanup_free char *check = xasprintf("-C %s -i " SESSIONS " -j %s", from, chain);
    cleanup_free char *jump = xasprintf("-I %s -i " SESSIONS " -j %s", from, chain);
    bool there = false;
    int rc = has(tool, list, &there, err);
    if (rc == 0)
        rc = must(tool, there ? flush : make, err);
    for (; rc == 0 && *rules; rules++) {
        cleanup_free char *add = xasprintf("-A %s %s", chain, *rules);
        rc = must(tool, add, err);
    }
    if (rc == 0)
        rc = has(tool, check, &there, err);
    if (rc == 0 && !there)
        rc = must(tool, jump, err);
    return rc;
}

static const char *find_tool(const char *const *paths)
{
    for (; *paths; paths++)
        if (access(*paths, X_OK) == 0)
            return *paths;
    return NULL;
}

int container_guard(struct err *err)
{
    /* Answers to connections that the host opened itself (the published port's proxy), the
     * engine's name service on the gateway, nothing else. */
    static const char *const input[] = {
        "-m conntrack --ctstate ESTABLISHED,RELATED -j RETURN",
        "-p udp --dport 53 -j RETURN",
        "-j DROP",
        NULL,
    };
    static const char *const forward4[] = {"-d 169.254.0.0/16 -j DROP", NULL};
    static const char *const tools4[] = {"/usr/sbin/iptables", "/sbin/iptables", NULL};
    static const char *const tools6[] = {"/usr/sbin/ip6tables", "/sbin/ip6tables", NULL};
    const char *v4 = find_tool(tools4), *v6 = find_tool(tools6);
    if (geteuid() != 0 || container_is_inside())
        return err_set(err, ERR_UNSUPPORTED, "needs root on the engine's host");
    if (!v4 || !v6)
        return err_set(err, ERR_UNSUPPORTED, "iptables is not installed");
    int rc = install(v4, CHAIN_INPUT, "INPUT", input, err);
    if (rc == 0)
        rc = install(v4, CHAIN_FORWARD, "FORWARD", forward4, err);
    if (rc == 0)
        rc = install(v6, CHAIN_INPUT, "INPUT", input, err);
    return rc;
}
