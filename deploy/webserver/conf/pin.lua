-- Apache: one release a request, as {lua}. What mod_realdoc does,
-- with the mod_lua that comes with Apache: asks once a request where the link is,
-- and makes that side the request's DOCUMENT_ROOT.
function pin(r)
    local root = r.document_root:match("^(.*)/current$")
    if not root then
        return apache2.DECLINED
    end
    -- A subrequest (DirectoryIndex) and a redirect inside (.htaccess) stay on their request's side.
    local side = r.subprocess_env["PUSHTRAIN_SIDE"] or r.subprocess_env["REDIRECT_PUSHTRAIN_SIDE"]
    if not side then
        -- There is no readlink here, but a link is as long as what it says: yin, yang,
        -- or one of them behind the root. 0x101 = APR_FINFO_LINK + APR_FINFO_SIZE: of the link itself.
        local link = r:stat(root .. "/current", 0x101)
        side = link and ({[3] = "yin", [4] = "yang", [#root + 4] = "yin", [#root + 5] = "yang"})[link.size]
    end
    if not side then
        r:err(root .. "/current is no link to yin or yang: the request is not pinned")
        return apache2.DECLINED
    end
    r.subprocess_env["PUSHTRAIN_SIDE"] = side
    r:set_document_root(root .. "/" .. side)
    return apache2.DECLINED
end
