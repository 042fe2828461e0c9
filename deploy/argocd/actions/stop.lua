-- The pods end. The object and its volumes stay.
local run = obj.spec
if obj.kind == "Environment" or obj.kind == "Artifact" then
  run = obj.spec.run
end
run.suspend = true
return obj
