# /etc/profile sets PATH anew for login shells.
if [ -n "$REPO_ROOT" ]; then
    PATH=$REPO_ROOT/bin:$PATH
fi
