"""The page that the load balancer shows for a host without an interview, and behind every invitation's link.

At an interview's own host it waits: before the start, and after the end. At ``join.`` before the domain it opens the
interview that the address names after ``#``, as ``#{id}:{password}``: browsers keep that part to themselves, so no log
and no Referer header holds it. Either way it leads into the editor as soon as that answers, and says nothing of which
interviews exist.
"""

from contract.names import EDITOR_ICON, JOIN_LABEL

LONGEST_BODY = 1024
"""Bytes (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_FixedResponseActionConfig.html)."""

# An image needs no permission of another host's, unlike fetch, and loads only when the editor answers. `$` and `{`
# must not meet: Terraform would evaluate what follows.
_SCRIPT = (
    f"var l=location,d=l.hostname,m=d.indexOf('{JOIN_LABEL}.')==0&&/^#([a-z0-9-]+):(.+)/.exec(l.hash),"
    f'o=l.protocol+"//"+(m?m[1]+d.slice({len(JOIN_LABEL)}):d)+(l.port?":"+l.port:"");'
    "function t(){var i=new Image;i.onerror=function(){setTimeout(t,3e3)};i.onload=function(){"
    'if(!m)return l.reload();f.action=o+"/login";f.password.value=decodeURIComponent(m[2]);'
    f'history.replaceState(0,"","/");f.submit()}};i.src=o+"{EDITOR_ICON}?"+Date.now()}}t()'
)

WAITING_PAGE = (
    "<!DOCTYPE html><html lang=en><meta charset=utf-8><meta name=viewport content=width=device-width>"
    "<title>Interview</title><body style='font:1.2em sans-serif;max-width:30em;margin:15vh auto;padding:1em'>"
    "<h1>Interview</h1><p>It has not started yet, or it is over. Keep this page open: the editor appears here when it"
    " is ready.<noscript><p>Reload this page at the time of your invitation.</noscript>"
    f"<form id=f method=post hidden><input name=password></form><script>{_SCRIPT}</script>"
)
