/* Git's hooks in the shared terminal. */
#ifndef AGENT_TERMINAL_HOOK_H
#define AGENT_TERMINAL_HOOK_H

/* Runs the repository's own hook of that name, then ours: prepare-commit-msg and commit-msg add a
 * `Co-authored-by` for everybody who typed since the last commit, but for its author; post-commit
 * tells the agent. Returns the hook's exit status. */
int terminal_hook(const char *name, int argc, char *const *args);

#endif
