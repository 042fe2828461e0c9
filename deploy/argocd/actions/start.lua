-- The pods run again, with the newest assets and policies.
local run = obj.spec
if obj.kind == "Environment" or obj.kind == "Artifact" then
  run = obj.spec.run
end
run.suspend = false
return obj
