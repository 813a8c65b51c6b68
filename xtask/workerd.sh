#!/bin/sh
# workerd, which the kernel kills when the node that started it is gone (prctl(2), PR_SET_PDEATHSIG).
exec setpriv --pdeathsig KILL -- "$ROTUNDA_WORKERD" "$@"
