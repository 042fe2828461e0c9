-- A new revision, with the newest assets and policies.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["outfitter.dev/restartedAt"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
